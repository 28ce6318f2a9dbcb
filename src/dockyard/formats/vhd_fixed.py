"""vhd-fixed: the raw disk followed by a footer of 512 bytes, the form that Azure takes.

Layout: Virtual Hard Disk Image Format Specification 1.0 (Microsoft, 2006), hard disk footer; all
numbers are big-endian. Azure needs a disk of whole mebibytes, and takes its size from the footer.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import TYPE_CHECKING

from dockyard.disk.assemble import assemble
from dockyard.disk.identity import derive
from dockyard.disk.output import whole
from dockyard.formats.disk_format import SECTOR, DiskFormat, Wrapping, aligned, require_size
from dockyard.formats.parts import Parts
from dockyard.host.files import copy_sparse

if TYPE_CHECKING:
    from dockyard.host.sandbox import Tools

ALIGNMENT = 1 << 20
LARGEST = 0xFF000000 * SECTOR
"""Bytes of the largest disk that readers take: 2040 GiB."""

_FOOTER = struct.Struct(">8sIIQI4sI4sQQHBBII16sB427s")
_EPOCH_2000 = 946_684_800  # the format counts seconds from 2000-01-01
_RESERVED_FEATURE = 2
_VERSION = 0x00010000
_FIXED, _DYNAMIC = 2, 3
_NOWHERE = 0xFFFF_FFFF_FFFF_FFFF
# Readers take the size from the footer, not from cylinders and heads, for creators they know.
_CREATOR = b"qem2"
_CHECKSUM_AT = 64


class VhdFixed(DiskFormat):
    name = "vhd-fixed"
    extension = ".vhd"

    def write(self, parts: Parts, out: Path, tools: Tools) -> tuple[Path, ...]:
        assert parts.layout is not None
        image = out / f"{parts.name}{self.extension}"
        require_size(parts.layout.size, LARGEST, self.name)
        with whole(image) as part:
            assemble(parts.layout, parts.partitions, part)
            _finish(part, parts.layout.size, parts.seed, parts.epoch)
        return (image,)

    def wrap(self, disk: Path, size: int, image: Path, given: Wrapping, tools: Tools) -> None:
        require_size(size, LARGEST, self.name)
        with whole(image) as part:
            copy_sparse(disk, part, size=size)
            _finish(part, size, given.seed, given.epoch)


def _finish(disk: Path, size: int, seed: bytes, epoch: int) -> None:
    size = aligned(size, ALIGNMENT)
    with disk.open("r+b") as file:
        os.truncate(file.fileno(), size)
        file.seek(size)
        file.write(footer(size, derive(seed, "vhd").bytes, epoch))


def footer(size: int, identity: bytes, epoch: int, *, dynamic_at: int | None = None) -> bytes:
    """The footer of a disk. size: bytes of the disk. epoch: seconds since 1970. dynamic_at: where
    the header of a dynamic disk is; None for a fixed one.
    """
    cylinders, heads, sectors = geometry(size)
    kind, offset = (_FIXED, _NOWHERE) if dynamic_at is None else (_DYNAMIC, dynamic_at)
    plain = bytearray(
        _FOOTER.pack(
            *(b"conectix", _RESERVED_FEATURE, _VERSION, offset),
            *(max(0, epoch - _EPOCH_2000), _CREATOR, _VERSION, b"Wi2k", size, size),
            *(cylinders, heads, sectors, kind, 0, identity, 0, b""),
        )
    )
    put_checksum(plain, _CHECKSUM_AT)
    return bytes(plain)


def put_checksum(structure: bytearray, at: int) -> None:
    """Put the checksum of a structure, the complement of the sum of its bytes, into it."""
    struct.pack_into(">I", structure, at, ~sum(structure) & 0xFFFFFFFF)


def geometry(size: int) -> tuple[int, int, int]:
    """Cylinders, heads and sectors per track for a size, by the specification's appendix."""
    total = min(size // SECTOR, 65535 * 16 * 255)
    if total >= 65535 * 16 * 63:
        sectors, heads = 255, 16
        return total // sectors // heads, heads, sectors
    sectors = 17
    per_head = total // sectors
    heads = max(4, (per_head + 1023) // 1024)
    if per_head >= heads * 1024 or heads > 16:
        sectors, heads = 31, 16
        per_head = total // sectors
    if per_head >= heads * 1024:
        sectors, heads = 63, 16
        per_head = total // sectors
    return per_head // heads, heads, sectors
