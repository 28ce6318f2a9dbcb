"""What a BIOS starts is as grub-bios-setup(8) writes it into a disk."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from dockyard.disk import bios
from dockyard.disk.gpt import SECTOR
from dockyard.disk.grub import BootPlace
from dockyard.host.sandbox import Tools

MIB = 1 << 20
PLACE = BootPlace("6d8e1b7a-36c4-4c4f-9a1e-31c0c1f8a2b4", "/boot")


@pytest.mark.build
def test_both_know_where_the_other_is(tools: Tools, tmp_path: Path) -> None:
    made = tmp_path / "core.img"
    bios.write_image(made, PLACE, "/boot/grub2/grub.cfg", tools)
    image = bios.placed(made.read_bytes(), MIB)
    assert len(image) % SECTOR == 0 and 60_000 < len(image) < MIB
    # Only the list of sectors of the rest is another.
    again, old = image[: len(made.read_bytes())], made.read_bytes()
    assert again[:500] == old[:500] and again[512:] == old[512:]
    start, count, segment = struct.unpack("<QHH", image[500:512])
    assert (start, count) == (2048 + 1, len(image) // SECTOR - 1)
    assert segment == 0x820  # behind its own first sector, which is at 0x8000
    given = (tools.root / bios.CODE).read_bytes()
    code = bios.first_code(given, MIB)
    assert len(code) == 440 and struct.unpack_from("<Q", code, 0x5C) == (2048,)
    changed = {at for at in range(440) if code[at] != given[at]}
    assert changed <= {*range(0x5C, 0x64), 0x66, 0x67} and code[0x66:0x68] == b"\x90\x90"
