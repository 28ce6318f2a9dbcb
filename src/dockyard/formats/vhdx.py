"""vhdx: a dynamic VHDX, which has the blocks of the disk that are not all zeros.

Layout: [MS-VHDX] 2.0: the file's identifier, two headers, two tables of regions, the log, the
metadata, the table of blocks (BAT), the blocks, each at a whole mebibyte. All numbers are
little-endian; checksums are CRC-32C. Written here and not by qemu-img, which draws the ids of the
headers and of the disk at random. The log is empty, and so needs no id.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from dockyard.disk.identity import derive
from dockyard.disk.output import whole
from dockyard.filesystems.crc32c import crc32c
from dockyard.formats.blocks import blocks
from dockyard.formats.disk_format import SECTOR, DiskFormat, Wrapping, aligned, require_size

if TYPE_CHECKING:
    from dockyard.host.sandbox import Tools

BLOCK = 2 << 20

_MIB, _KIB = 1 << 20, 1 << 10
_LARGEST = 64 << 40
_PHYSICAL_SECTOR = 4096
_HEADERS_AT = (64 * _KIB, 128 * _KIB)
_REGIONS_AT = (192 * _KIB, 256 * _KIB)
_LOG_AT, _METADATA_AT, _BAT_AT = _MIB, 2 * _MIB, 3 * _MIB
_HEADER = struct.Struct("<4sIQ16s16s16sHHIQ")
_HEADER_SIZE, _REGIONS_SIZE = 4 * _KIB, 64 * _KIB
_BAT = UUID("2dc27766-f623-4200-9d64-115e9bfd4a08")
_METADATA = UUID("8b7ca206-4790-4b9a-b8fe-575f050f886e")
_FILE_PARAMETERS = UUID("caa16737-fa36-4d43-b3b6-33f0aa44e76b")
_DISK_SIZE = UUID("2fa54224-cd1b-4876-b211-5dbed83bf4b8")
_DISK_ID = UUID("beca12ab-b2e6-4523-93ef-c309e000c746")
_LOGICAL = UUID("8141bf1d-a96f-4709-ba47-f233a8faab5f")
_PHYSICAL = UUID("cda348c7-445d-4471-9cc9-e9885251c556")
_OF_DISK, _REQUIRED = 2, 4
_ITEMS_AT = 64 * _KIB  # from the begin of the metadata
_ZERO, _PRESENT = 2, 6  # states of a block
# After so many blocks the table has an entry for the bitmap of their sectors.
_CHUNK = (SECTOR << 23) // BLOCK


class Vhdx(DiskFormat):
    name = "vhdx"
    extension = ".vhdx"

    def wrap(self, disk: Path, size: int, image: Path, given: Wrapping, tools: Tools) -> None:
        require_size(size, _LARGEST, self.name)
        size_told = aligned(size, SECTOR)
        table = _empty_table(-(-size_told // BLOCK))
        with whole(image) as part, part.open("xb") as out:
            at = _BAT_AT + aligned(len(table), _MIB)
            out.seek(at)
            for number, data in blocks(disk, size, BLOCK):
                struct.pack_into("<Q", table, 8 * _place(number), at | _PRESENT)
                out.write(data)
                at += BLOCK
            out.truncate(at)
            out.seek(_BAT_AT)
            out.write(table)
            out.seek(_METADATA_AT)
            out.write(_metadata(size_told, derive(given.seed, "vhdx", "disk")))
            for place in _REGIONS_AT:
                out.seek(place)
                out.write(_regions(aligned(len(table), _MIB)))
            for sequence, place in enumerate(_HEADERS_AT, 1):
                out.seek(place)
                out.write(_header(sequence, given.seed))
            out.seek(0)
            out.write(b"vhdxfile" + "Dockyard".encode("utf-16-le"))


def _place(number: int) -> int:
    """The number of a block's entry in the table."""
    return number + number // _CHUNK


def _empty_table(count: int) -> bytearray:
    table = bytearray(8 * (_place(max(count, 1) - 1) + 1))
    for number in range(count):
        table[8 * _place(number)] = _ZERO
    return table


def _header(sequence: int, seed: bytes) -> bytes:
    """One of the two headers; that with the higher sequence number counts."""
    written, data = (derive(seed, "vhdx", purpose).bytes_le for purpose in ("file", "data"))
    fields = (sequence, written, data, bytes(16), 0, 1, _MIB, _LOG_AT)
    plain = _HEADER.pack(b"head", 0, *fields).ljust(_HEADER_SIZE, b"\0")
    return _HEADER.pack(b"head", crc32c(plain), *fields).ljust(_HEADER_SIZE, b"\0")


def _regions(table_size: int) -> bytes:
    entries = b"".join(
        struct.pack("<16sQII", guid.bytes_le, at, length, 1)
        for guid, at, length in ((_BAT, _BAT_AT, table_size), (_METADATA, _METADATA_AT, _MIB))
    )
    plain = (struct.pack("<4sIII", b"regi", 0, 2, 0) + entries).ljust(_REGIONS_SIZE, b"\0")
    return plain[:4] + struct.pack("<I", crc32c(plain)) + plain[8:]


def _metadata(size: int, identity: UUID) -> bytes:
    items = (
        (_FILE_PARAMETERS, _REQUIRED, struct.pack("<II", BLOCK, 0)),
        (_DISK_SIZE, _OF_DISK | _REQUIRED, struct.pack("<Q", size)),
        (_DISK_ID, _OF_DISK | _REQUIRED, identity.bytes_le),
        (_LOGICAL, _OF_DISK | _REQUIRED, struct.pack("<I", SECTOR)),
        (_PHYSICAL, _OF_DISK | _REQUIRED, struct.pack("<I", _PHYSICAL_SECTOR)),
    )
    table = struct.pack("<8sHH20x", b"metadata", 0, len(items))
    values = b""
    for guid, flags, value in items:
        at = _ITEMS_AT + len(values)
        table += struct.pack("<16sIIII", guid.bytes_le, at, len(value), flags, 0)
        values += value
    return table.ljust(_ITEMS_AT, b"\0") + values
