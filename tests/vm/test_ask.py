"""A whole conversation with a guest, played by a small program in QEMU's place."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from click import unstyle

from dockyard.cli.verdict import as_facts, as_text
from dockyard.errors import DockyardError, Position
from dockyard.tree.check import Check, Unasked
from dockyard.tree.file_facts import FileFact, file_checks
from dockyard.vm import guest
from dockyard.vm.guest import Progress, ask
from dockyard.vm.report import GuestReport, RecordKind
from player import Player, add_firmware

CHECKS = [
    Check("users.alice.shell", "alice's shell is /bin/bash", "…", "/bin/bash"),
    Check("hostname", "the host name is harbor", "…", "harbor", Position("image.yaml", 3, 5)),
]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return add_firmware(tmp_path / "tools")


def play(root: Path, *scripts: str, timeout: float = 20, **more: Any) -> Any:
    console = root.parent / "console"
    tools = Player(root, list(scripts))
    return ask(root / "i.raw", "raw", CHECKS, tools, console=console, timeout=timeout, **more)


def failure(root: Path, *scripts: str, timeout: float = 20) -> Any:
    with pytest.raises(DockyardError) as caught:
        play(root, *scripts, timeout=timeout)
    return caught.value.problems[0]


GOOD = "up(); check('0', '/bin/bash\\n'); check('1', 'harbor'); say('end'); time.sleep(60)"


def test_a_good_guest(root: Path) -> None:
    seen: list[Progress] = []
    verdict = play(root, f"show('BdsDxe: starting Boot0001'); {GOOD}", progress=seen.append)
    assert verdict.passed
    assert [result.actual for result in verdict.results] == ["/bin/bash", "harbor"]
    assert (verdict.system_state, verdict.guest_seconds, verdict.attempts) == ("running", 9.5, 1)
    assert b"starting Boot0001" in verdict.console.read_bytes()
    assert not list(root.parent.glob("dockyard-boot-*"))


def test_answers_come_in_any_order_and_each_has_its_own_time(root: Path) -> None:
    checks = [Check("slow", "t", "…", "1", seconds=90), Check("quick", "t", "…", "2")]
    script = (
        "up(); say('begin', '0'); say('begin', '1'); time.sleep(0.3); say('check', '1', 0, '2');"
        "time.sleep(0.3); say('check', '0', 0, '1'); say('end')"
    )
    verdict = ask(
        root / "i", "raw", checks, Player(root, [script]), console=root.parent / "console"
    )
    assert verdict.passed
    slow, quick = (result.seconds for result in verdict.results)
    assert slow > quick >= 0.25


def test_a_failed_check_fails_the_image(root: Path) -> None:
    answers = "say('errors', '1', 0, 'oops'); check('1', 'other')"
    verdict = play(root, f"up(); check('0', '/bin/bash'); {answers}; say('end')")
    assert not verdict.passed
    told = unstyle(as_text(verdict))
    assert "the host name is harbor [hostname]" in told
    assert "image.yaml:3:5" in told
    assert "expected  harbor" in told
    assert "actual    other" in told
    assert "alice" not in told
    assert "1 of 2 checks failed" in told
    assert [c["passed"] for c in as_facts(verdict)["checks"]] == [True, False]


def test_a_check_that_was_stopped_has_not_passed(root: Path) -> None:
    verdict = play(root, "up(); check('0', '/bin/bash', 124); check('1', 'harbor'); say('end')")
    assert [result.passed for result in verdict.results] == [False, True]
    assert "stopped after" in verdict.results[0].errors


def test_a_check_without_an_answer_has_not_passed(root: Path) -> None:
    verdict = play(root, "up(); check('1', 'harbor'); say('end'); time.sleep(60)")
    assert not verdict.passed
    assert [result.passed for result in verdict.results] == [False, True]
    assert "1 of 2 checks failed" in unstyle(as_text(verdict))
    assert "without this one" in unstyle(as_text(verdict))


def test_a_system_with_failed_units_has_not_passed(root: Path) -> None:
    script = (
        "say('hello'); take(); say('uptime', text='3'); say('state', '-', 1, 'degraded');"
        "say('failed', 'bad.service', 0, 'bad.service: broke');"
        "check('0', '/bin/bash'); check('1', 'harbor'); say('end')"
    )
    verdict = play(root, script)
    assert not verdict.passed
    assert "failed unit bad.service" in unstyle(as_text(verdict))


def test_the_questions_need_not_fit_a_pipe(root: Path) -> None:
    CHECKS_LARGE = [Check(str(n), "t", "#" * 2000, "") for n in range(300)]  # noqa: N806
    script = "up(); [check(str(n), '') for n in range(300)]; say('end')"
    tools = Player(root, [script])
    verdict = ask(root / "i", "raw", CHECKS_LARGE, tools, console=root.parent / "console")
    assert len(verdict.results) == 300
    assert verdict.passed


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("show('[ 1.0] Kernel panic - not syncing: dead'); time.sleep(60)", "vm.kernel-panic"),
        ("say('emergency', text='a.mount failed'); time.sleep(60)", "vm.emergency-mode"),
        ("event('SHUTDOWN', 'guest-reset'); time.sleep(1)", "vm.guest-reset"),
        ("event('SHUTDOWN', 'guest-shutdown'); time.sleep(1)", "vm.guest-gone"),
        ("event('GUEST_PANICKED', ''); time.sleep(60)", "vm.kernel-panic"),
        ("event('STOP', ''); time.sleep(60)", "vm.qemu-failed"),
        ("sys.exit('no such machine')", "vm.qemu-failed"),
    ],
)
def test_a_guest_that_fails_is_given_up_at_once(root: Path, script: str, code: str) -> None:
    assert failure(root, script).code == code


def test_qemus_own_words_are_told(root: Path) -> None:
    assert failure(root, "sys.exit('no such machine')").why == "no such machine"


def test_a_guest_that_says_nothing_is_given_up_in_time(root: Path) -> None:
    problem = failure(root, "time.sleep(60)", timeout=1)
    assert problem.code == "vm.too-slow"
    assert "--console" in problem.fix


def test_a_guest_that_says_nothing_is_told_of_early(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guest, "_SILENT_SECONDS", 0.6)
    told: list[str] = []
    with pytest.raises(DockyardError) as caught:
        play(
            root, "show('BdsDxe: starting Boot0001'); time.sleep(60)", timeout=3, notice=told.append
        )
    assert len(told) == 1
    assert "nothing was heard" in told[0] and "stage" in told[0]
    assert str(root.parent / "console") in caught.value.problems[0].fix


def test_all_attempts_together_have_the_time_of_one(root: Path) -> None:
    stall = "show('rcu: \\tPossible timer handling issue on cpu=1 timer'); time.sleep(60)"
    began = time.monotonic()
    assert failure(root, stall, "time.sleep(60)", timeout=5).code == "vm.too-slow"
    assert time.monotonic() - began < 40


def test_a_guest_that_answers_has_no_more_time_to_come_up(root: Path) -> None:
    began = time.monotonic()
    assert failure(root, "say('hello'); take(); time.sleep(60)", timeout=3).code == "vm.silent"
    assert time.monotonic() - began < 40


def test_a_degraded_system_is_no_tick_before_passed_checks(root: Path) -> None:
    script = (
        "say('hello'); take(); say('uptime', text='3'); say('state', '-', 1, 'degraded');"
        "say('failed', 'bad.service', 0, 'bad.service: broke');"
        "check('0', '/bin/bash'); check('1', 'harbor'); say('end')"
    )
    unasked = [Unasked("the database of packages", "the image has no rpm")]
    told = unstyle(as_text(play(root, script), unasked)).splitlines()
    assert told[-1].startswith("✗ the system is degraded (1 unit failed); no check failed of 2")
    assert "not asked the database of packages: the image has no rpm" in told


def test_names_that_are_no_text_are_told_without_a_traceback(root: Path) -> None:
    name = "/srv/" + os.fsdecode(b"\xff" * 254)
    facts = [FileFact(name, 0o100644, size=1), FileFact("/srv/" + "ü" * 127, 0o100644, size=1)]
    checks = file_checks("files", "the files are those of the build", facts)
    tools = Player(root, ["up(); check('0', '-rw-r--r-- 0:0 1 /srv/other'); say('end')"])
    verdict = ask(root / "i", "raw", checks, tools, console=root.parent / "console")
    assert "\\xff" in unstyle(as_text(verdict))
    as_text(verdict).encode()
    json.dumps(as_facts(verdict)).encode()


def test_of_a_long_answer_the_differing_lines_are_shown(root: Path) -> None:
    lines = [f"line {number}" for number in range(100)]
    check = Check("accounts.users", "the users are those of the build", "…", "\n".join(lines))
    answer = "\\n".join([*lines[:50], "mallory:x:0:0::/:/bin/sh", *lines[51:]])
    tools = Player(root, [f"up(); check('0', '{answer}'); say('end')"])
    told = unstyle(as_text(ask(root / "i", "raw", [check], tools, console=root.parent / "console")))
    assert "expected  line 50" in told and "actual    mallory:x:0:0" in told
    assert "line 49" not in told


def test_a_guest_whose_processor_stands_still_is_started_anew(root: Path) -> None:
    stall = "show('rcu: \\tPossible timer handling issue on cpu=1 timer'); time.sleep(60)"
    verdict = play(root, stall, GOOD)
    assert verdict.passed
    assert verdict.attempts == 2


def test_what_is_no_record_is_passed_over() -> None:
    report = GuestReport()
    noise = (b"@check \xff 0 1", b"@end - 0 " + b"9" * 5000, b"@end - x 0", b"@other - 0 0")
    told = [*report.feed(b"\n".join((*noise, b"@check 0 0 3", b"yes", b"")))]
    assert [(each.kind, each.text) for each in told] == [(RecordKind.CHECK, "yes")]
