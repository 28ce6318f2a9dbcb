"""`dockyard boot --check`: what is refused before a machine starts, and what is told of one that a
small program plays.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from here import Here

from desk import IMAGE, Desk
from dockyard.host.sandbox import Tools
from dockyard.pipeline.guest_needs import PROGRAMS
from player import Player

ANSWERS = "up(); [check(str(place), 'x') for place in range({})]; say('end'); time.sleep(60)"
FIRMWARE = {f"main/usr/share/OVMF/OVMF_{part}_4M.fd": "firmware" for part in ("CODE", "VARS")}
EXPECTED = {
    "accounts": {"passwd": ["root"], "group": [], "shadow": []},
    "rpm": None,
    "headers": None,
}


def manifest(*lacking: str) -> str:
    """A manifest of an image with what checks need, but for these programs."""
    names = {name for some in PROGRAMS.values() for name in some} - {*lacking}
    lines: list[dict[str, object]] = [
        {"path": f"/usr/bin/{name}", "type": "file", "mode": "0755", "size": 1, "sha256": "0" * 64}
        for name in sorted(names)
    ]
    lines.append(
        {**lines[0], "path": "/usr/lib/systemd/systemd", "package": "systemd-257-1.x86_64"}
    )
    return "".join(json.dumps(line) + "\n" for line in lines)


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Here:
    return Here(monkeypatch, capsys)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    path = tmp_path / "disk.raw"
    path.write_bytes(bytes(1 << 20))
    return path


def build(desk: Desk, manifest: str, written: str | None = None) -> None:
    files = {
        "tools": FIRMWARE,
        "manifest": {"manifest.jsonl": manifest},
        "expected": {"expected.json": json.dumps(EXPECTED)},
    }
    desk.pretend(desk.plan(written), files)


def play(patch: pytest.MonkeyPatch, script: str) -> None:
    """Have a small program take QEMU's place."""

    def start(tools: Tools, argv: Sequence[str], **more: Any) -> subprocess.Popen[bytes]:
        return Player(tools.root, [script]).start(argv, **more)

    patch.setattr(Tools, "start", start)


def check(here: Here, desk: Desk, *words: str | Path) -> subprocess.CompletedProcess[str]:
    options = ("--check", "--accel", "tcg", "--store", desk.store.root)
    return here("boot", *map(str, (*words, *options)))


def test_an_image_that_was_not_built_is_not_booted(desk: Desk, here: Here) -> None:
    done = check(here, desk, desk.file)
    assert done.returncode == 1
    assert "boot.not-built" in done.stderr and "dockyard build" in done.stderr


def test_a_format_that_does_not_boot_is_refused_before_anything_is_made(
    desk: Desk, here: Here
) -> None:
    desk.write(IMAGE.replace("distro:", "output: {image: {format: tar}}\ndistro:", 1))
    done = check(here, desk, desk.file)
    assert done.returncode == 1 and "vm.format-not-bootable" in done.stderr
    assert not any((desk.store.root / "results").iterdir())


def test_an_image_that_cannot_answer_is_not_booted(desk: Desk, here: Here) -> None:
    build(desk, manifest("timeout"))
    done = check(here, desk, desk.file)
    assert done.returncode == 1
    assert "boot.no-answers" in done.stderr and "it lacks timeout" in done.stderr


def test_a_bios_has_no_secure_boot(desk: Desk, here: Here) -> None:
    done = check(here, desk, desk.file, "--bios", "--secure-boot")
    assert done.returncode == 2 and "a BIOS has no Secure Boot" in done.stderr


def test_a_build_that_was_damaged_is_not_booted(desk: Desk) -> None:
    build(desk, manifest())
    result = desk.store.path(desk.plan().steps.manifest) / "manifest.jsonl"
    result.write_text(manifest("cat"))
    code = "from dockyard.cli.main import main; main()"
    words = ["boot", str(desk.file), "--check", "--store", str(desk.store.root)]
    # What may be damaged is read inside the namespace, which this process could not leave again.
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True)
    assert done.returncode == 1
    assert "boot.damaged" in done.stderr and "dockyard build" in done.stderr


def test_a_disk_without_a_file_is_asked_whether_it_comes_up(
    desk: Desk, disk: Path, here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(desk, manifest())
    play(monkeypatch, ANSWERS.format(0))
    done = check(here, desk, disk)
    assert done.returncode == 0, done.stderr
    assert "running" in done.stdout
    assert (desk.store.root / "vm/disk.console").is_file()


@pytest.mark.parametrize("console", [False, True])
def test_a_disk_is_held_against_an_image_file(
    console: bool, desk: Desk, disk: Path, here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(desk, manifest())
    play(monkeypatch, ANSWERS.format(100))
    words = ["--console"] if console else []
    done = check(here, desk, disk, "--config-file", desk.file, "--json", *words)
    assert done.returncode == 1
    answer = json.loads(done.stdout)["result"]
    checks = {each["id"]: each for each in answer["checks"]}
    assert {"hostname", "files", "accounts.users", "files./etc/motd"} <= {*checks}
    assert not any(each["passed"] for each in checks.values())
    assert checks["hostname"]["actual"] == "x"
    assert ("kernel.command-line" in checks) is not console
    unasked = [each["what"] for each in answer["notAsked"]]
    assert ("the kernel command line" in unasked) is console


LIVE = """\
name: web
distro: distro.yaml
os: {hostname: web, packages: {install: [kernel, bash]}}
pxe: {kernelCommandLine: {extraCommandLine: [a=1]}}
"""


@pytest.mark.parametrize("told", ["", "output: {image: {format: pxe-dir}}\n"])
def test_what_a_network_boots_is_asked_as_that_whatever_the_file_says(
    told: str, desk: Desk, here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.write(LIVE + told)
    desk.lock()
    served = desk.root / "served"
    served.mkdir()
    (served / "bootx64.efi").write_text("loader")
    build(desk, manifest(), "pxe-dir")
    play(monkeypatch, ANSWERS.format(100))
    done = check(here, desk, served, "--config-file", desk.file, "--json")
    answer = json.loads(done.stdout)
    assert answer["problems"] == []
    asked = {each["id"] for each in answer["result"]["checks"]}
    assert {"live.root", "hostname"} <= asked
