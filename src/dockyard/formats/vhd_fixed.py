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
from dockyard.formats.parts import Part, Parts

if TYPE_CHECKING:
    from dockyard.host.sandbox import Tools

SECTOR = 512
ALIGNMENT = 1 << 20

_FOOTER = struct.Struct(">8sIIQI4sI4sQQHBBII16sB427s")
_EPOCH_2000 = 946_684_800  # the format counts seconds from 2000-01-01
_RESERVED_FEATURE = 2
_VERSION = 0x00010000
_FIXED = 2
# Readers take the size from the footer, not from cylinders and heads, for creators they know.
_CREATOR = b"qem2"
_CHECKSUM_AT = 64


class VhdFixed:
    name = "vhd-fixed"
    extension = ".vhd"
    needs = frozenset((Part.DISK,))
    runs_programs = False

    def write(self, parts: Parts, out: Path, tools: Tools) -> tuple[Path, ...]:
        assert parts.layout is not None
        image = out / f"{parts.name}{self.extension}"
        with whole(image) as part:
            assemble(parts.layout, parts.partitions, part)
            size = -(-parts.layout.size // ALIGNMENT) * ALIGNMENT
            with part.open("r+b") as file:
                os.truncate(file.fileno(), size)
                file.seek(size)
                file.write(footer(size, derive(parts.seed, "vhd").bytes, parts.epoch))
        return (image,)


def footer(size: int, identity: bytes, epoch: int) -> bytes:
    """The footer of a fixed disk. size: bytes of the disk. epoch: seconds since 1970."""
    cylinders, heads, sectors = geometry(size)
    plain = bytearray(
        _FOOTER.pack(
            *(b"conectix", _RESERVED_FEATURE, _VERSION, 0xFFFF_FFFF_FFFF_FFFF),
            *(max(0, epoch - _EPOCH_2000), _CREATOR, _VERSION, b"Wi2k", size, size),
            *(cylinders, heads, sectors, _FIXED, 0, identity, 0, b""),
        )
    )
    struct.pack_into(">I", plain, _CHECKSUM_AT, ~sum(plain) & 0xFFFFFFFF)
    return bytes(plain)


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
