"""What makes a UKI another one, and how its command line comes to what other steps found."""

from __future__ import annotations

from pathlib import Path

import pytest

from dockyard.disk import uki
from dockyard.engine.step import Step
from dockyard.engine.work import Work
from dockyard.model.architecture import Architecture
from dockyard.model.family import SYSTEMD_BOOT
from dockyard.pipeline.arguments.image import Found, MakeUki
from dockyard.pipeline.arguments.names import COMMAND_LINE, INITRD, TOOLS, TREE
from dockyard.pipeline.steps.boot import make_uki


def test_each_character_of_the_command_line_counts() -> None:
    def id(command_line: str) -> str:
        wanted = MakeUki("a", tuple(command_line.split(" ")), SYSTEMD_BOOT, Architecture.X86_64, ())
        return Step.of("uki", "Join", make_uki, wanted).id

    lines = ('rw a="b c"', 'rw a="b  c"', 'rw a="b\tc"', 'rw a="b c" ')
    assert len({id(line) for line in lines}) == len(lines)


def test_what_a_step_found_flows_into_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the root hash of a verity device does, which nobody knows before its data are written."""
    tree = tmp_path / "packages" / TREE
    for path, text in (
        ("usr/lib/modules/6.1/vmlinuz", "kernel"),
        ("usr/lib/os-release", "ID=a\n"),
        ("usr/lib/systemd/boot/efi/linuxx64.efi.stub", "stub"),
    ):
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_text(text)
    (tmp_path / "verity-usr").mkdir()
    (tmp_path / "verity-usr/roothash").write_text("0123abcd\n")
    (tmp_path / "out").mkdir()
    joined: list[uki.UkiContent] = []
    monkeypatch.setattr(uki, "build_uki", lambda content, out: joined.append(content))
    names = ("packages", "verity-usr", INITRD, TOOLS)
    work = Work(tmp_path / "out", {name: tmp_path / name for name in names}, tmp_path)
    found = {"usr-hash": Found("verity-usr", "roothash")}
    words = ("rw", "usrhash={usr-hash}")
    make_uki(work, MakeUki("a", words, SYSTEMD_BOOT, Architecture.X86_64, ("packages",), found))
    assert [content.command_line for content in joined] == ["rw usrhash=0123abcd"]
    assert (tmp_path / "out" / COMMAND_LINE).read_text() == "rw usrhash=0123abcd\n"
