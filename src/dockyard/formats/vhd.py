"""vhd: a dynamic VHD, which has the blocks of the disk that are not all zeros.

Layout: Virtual Hard Disk Image Format Specification 1.0 (Microsoft, 2006): a copy of the footer,
the header of the dynamic disk, the table of blocks, the blocks, the footer. Before each block goes
a bitmap of its sectors. All numbers are big-endian. Written here and not by qemu-img, whose footer
has the time and a random id.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import TYPE_CHECKING

from dockyard.disk.identity import derive
from dockyard.disk.output import whole
from dockyard.formats.blocks import blocks
from dockyard.formats.disk_format import SECTOR, DiskFormat, Wrapping, aligned, require_size
from dockyard.formats.vhd_fixed import LARGEST, footer, put_checksum

if TYPE_CHECKING:
    from dockyard.host.sandbox import Tools

BLOCK = 2 << 20

_HEADER = struct.Struct(">8sQQIIII16sI4s512s192s256s")
_HEADER_AT = SECTOR
_TABLE_AT = _HEADER_AT + _HEADER.size
_VERSION = 0x00010000
_NOWHERE = 0xFFFF_FFFF_FFFF_FFFF
_ABSENT = b"\xff\xff\xff\xff"
_CHECKSUM_AT = 36
_BITMAP = b"\xff" * (BLOCK // SECTOR // 8)  # every sector is there


class Vhd(DiskFormat):
    name = "vhd"
    extension = ".vhd"

    def wrap(self, disk: Path, size: int, image: Path, given: Wrapping, tools: Tools) -> None:
        require_size(size, LARGEST, self.name)
        whole_size = aligned(size, SECTOR)
        count = -(-whole_size // BLOCK)
        table = bytearray(aligned(4 * count, SECTOR))
        table[:] = _ABSENT * (len(table) // 4)
        identity = derive(given.seed, "vhd").bytes
        last = footer(whole_size, identity, given.epoch, dynamic_at=_HEADER_AT)
        with whole(image) as part, part.open("xb") as out:
            at = _TABLE_AT + len(table)
            out.seek(at)
            for number, data in blocks(disk, size, BLOCK):
                struct.pack_into(">I", table, 4 * number, at // SECTOR)
                out.write(_BITMAP)
                out.write(data)
                at += len(_BITMAP) + BLOCK
            out.write(last)
            out.seek(0)
            out.write(last + _header(count) + table)


def _header(count: int) -> bytes:
    """The header of a dynamic disk of so many blocks, without a parent."""
    plain = bytearray(
        _HEADER.pack(
            *(b"cxsparse", _NOWHERE, _TABLE_AT, _VERSION, count, BLOCK, 0),
            *(b"", 0, b"", b"", b"", b""),
        )
    )
    put_checksum(plain, _CHECKSUM_AT)
    return bytes(plain)
