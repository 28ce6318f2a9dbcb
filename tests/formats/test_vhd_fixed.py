"""The footer of a fixed VHD, by the specification and by qemu-img."""

from __future__ import annotations

import struct

import pytest

from dockyard.formats.vhd_fixed import footer, geometry

MIB = 1 << 20
EPOCH = 1_767_225_600


def test_the_fields_of_the_footer() -> None:
    found = footer(64 * MIB, b"0123456789abcdef", EPOCH)
    assert len(found) == 512
    assert found[:8] == b"conectix"
    (seconds,) = struct.unpack_from(">I", found, 24)
    assert seconds == EPOCH - 946_684_800  # 2000-01-01
    assert struct.unpack_from(">QQ", found, 40) == (64 * MIB, 64 * MIB)
    assert struct.unpack_from(">I", found, 60) == (2,)
    assert found[68:84] == b"0123456789abcdef"


def test_the_checksum_is_the_complement_of_the_sum() -> None:
    found = bytearray(footer(64 * MIB, bytes(16), EPOCH))
    (checksum,) = struct.unpack_from(">I", found, 64)
    found[64:68] = bytes(4)
    assert (checksum + sum(found)) & 0xFFFFFFFF == 0xFFFFFFFF


@pytest.mark.parametrize("size", [2 * MIB, 500 * MIB, 10 << 30, 200 << 30, 3 << 40])
def test_the_geometry_covers_no_more_than_the_disk(size: int) -> None:
    cylinders, heads, sectors = geometry(size)
    assert 0 < cylinders <= 65535 and heads <= 16 and sectors <= 255
    assert cylinders * heads * sectors * 512 <= size
