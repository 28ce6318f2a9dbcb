"""The guest's scripts, run by this host's shells against a terminal that stands for the port."""

from __future__ import annotations

import os
import shutil
import subprocess
import tty
from dataclasses import replace
from pathlib import Path

import pytest

from dockyard.tree.check import Check, Turn
from dockyard.vm import script
from dockyard.vm.credentials import PORT
from dockyard.vm.report import GuestRecord, GuestReport, RecordKind

SYSTEMCTL = """\
#!/bin/sh
case "$1 $2" in
    "is-system-running --wait") echo degraded; exit 1 ;;
    "list-units --failed") echo "bad.service loaded failed failed A bad one" ;;
    "status --no-pager") echo "bad.service: it broke" ;;
esac
"""

CHECKS = [
    Check("a", "plain", "echo yes", "yes"),
    Check("b", "quotes", "printf '%s\\n' \"it's\" 'a\"b'", "it's\na\"b"),
    Check("c", "fails", "echo no; echo why >&2; exit 3", "yes"),
    Check("d", "wrong syntax", "if then", ""),
    Check("e", "characters of many bytes", "printf 'Zürich \\342\\202\\254'", "Zürich €"),
    Check("f", "reads no input", "cat", ""),
    Check("g", "looks like a record", "echo '@end - 0 0'", "@end - 0 0"),
    Check("h", "large", "seq 1 20000", "\n".join(map(str, range(1, 20001)))),
    Check("i", "last", "ls DIRECTORY/done | wc -l", "10", seconds=90, turn=Turn.AFTER),
    *(Check(f"j.{n}", "one of many", f"touch DIRECTORY/done/{n}; seq 3000", "") for n in range(10)),
    Check("k", "first", "mkdir DIRECTORY/done", "", turn=Turn.BEFORE),
]


def converse(shell: str, directory: Path, lanes: int) -> list[GuestRecord]:
    near, far = os.openpty()
    tty.setraw(far)
    bin_directory = directory / "bin"
    bin_directory.mkdir()
    for name, text in (("systemctl", SYSTEMCTL), ("systemd-analyze", "#!/bin/sh\necho 5s\n")):
        (bin_directory / name).write_text(text)
        (bin_directory / name).chmod(0o755)
    hello = script.HELLO.replace(PORT, os.ttyname(far)).replace("/run/dockyard", str(directory))
    (directory / "hello").write_text(hello)
    checks = [
        replace(each, script=each.script.replace("DIRECTORY", str(directory))) for each in CHECKS
    ]
    questions = script.questions(checks, 5, power_off=False, lanes=lanes)
    length, _, body = questions.partition(b"\n")
    assert int(length) == len(body)
    body = body.replace(b"/run/dockyard", str(directory).encode())
    guest = subprocess.Popen(
        [shell, str(directory / "hello")],
        env={"PATH": f"{bin_directory}:/usr/bin:/bin", "LANG": "C.UTF-8"},
    )
    report, records = GuestReport(), list[GuestRecord]()
    try:
        while not (records and records[-1].kind is RecordKind.END):
            for record in report.feed(os.read(near, 4096)):
                records.append(record)
                if record.kind is RecordKind.HELLO:
                    os.write(near, script.framed(body))
    finally:
        guest.kill()
        guest.wait()
        os.close(near)
        os.close(far)
    return records


@pytest.mark.parametrize("lanes", [1, 4])
@pytest.mark.parametrize("shell", ["sh", "bash", "busybox"])
def test_every_shell_gives_the_same_answers(shell: str, lanes: int, tmp_path: Path) -> None:
    if not shutil.which(shell):
        pytest.skip(f"this host has no {shell}")
    records = converse(shell, tmp_path, lanes)
    by_kind = {kind: [r for r in records if r.kind is kind] for kind in RecordKind}
    answers = {int(r.id): r for r in by_kind[RecordKind.CHECK]}
    assert [answers[place].text.strip() for place in (0, 1, 2, 4, 5, 6, 7)] == [
        "yes",
        "it's\na\"b",
        "no",
        "Zürich €",
        "",
        "@end - 0 0",
        CHECKS[7].expect,
    ]
    assert (answers[2].status, answers[3].status) == (3, 2)
    assert {r.id: r.text for r in by_kind[RecordKind.ERRORS]}["2"] == "why"
    assert answers[8].text.strip() == "10"
    assert all(answers[place].text.endswith("\n2999\n3000") for place in range(9, 19))
    begun = [int(record.id) for record in by_kind[RecordKind.BEGIN]]
    assert sorted(begun) == list(range(20)) and len(by_kind[RecordKind.CHECK]) == 20
    assert (begun[0], begun[-1]) == (19, 8)
    assert by_kind[RecordKind.STATE][0].text == "degraded"
    assert [(r.id, r.text) for r in by_kind[RecordKind.FAILED]] == [
        ("bad.service", "bad.service: it broke")
    ]


def test_records_are_read_in_any_pieces() -> None:
    stream = (
        b"noise\n@hello - 0 4\n1.50\n@check 3 2 7\nline\n\xe2\x82\n"
        b"@nonsense x 0 2\nab\n@end - 0 0\n\n"
    )
    whole = list(GuestReport().feed(stream))
    report = GuestReport()
    pieces = [r for i in range(len(stream)) for r in report.feed(stream[i : i + 1])]
    assert whole == pieces
    assert [record.kind for record in whole] == [RecordKind.HELLO, RecordKind.CHECK, RecordKind.END]
    assert (whole[1].id, whole[1].status) == ("3", 2)
