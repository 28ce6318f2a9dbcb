"""Swap space has the id and label that are asked for, and is the same bytes twice."""

from __future__ import annotations

import time
from pathlib import Path
from uuid import UUID

import pytest

from dockyard.filesystems import swap
from dockyard.host.sandbox import Tools


@pytest.mark.build
def test_swap_space(tools: Tools, tmp_path: Path) -> None:
    uuid = UUID("12345678-1234-8234-8234-123456789abc")
    for name in ("one", "two"):
        swap.write(tmp_path / name, 8 << 20, uuid, "swap", tools)
        time.sleep(1.1)
    one = (tmp_path / "one").read_bytes()
    assert one == (tmp_path / "two").read_bytes()
    assert (len(one), one[4086:4096], one[1036:1052]) == (8 << 20, b"SWAPSPACE2", uuid.bytes)
    assert one[1052:1068].rstrip(b"\0") == b"swap"
    assert (tmp_path / "one").stat().st_blocks * 512 <= 1 << 20
