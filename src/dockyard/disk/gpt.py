"""GUID partition tables with a protective MBR: written and read.

Layout: UEFI 2.10, chapter 5: LBA 0 the MBR, LBA 1 the header, from LBA 2 the 128 entries of 128
bytes; at the end of the disk the same entries and a header of their own. Sectors are 512 bytes. All
numbers are little-endian; a GUID's first three fields too.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO
from uuid import UUID

from dockyard.errors import DockyardError, Problem

SECTOR = 512
ENTRY_SIZE = 128
ENTRIES = 128
ENTRIES_SECTORS = ENTRIES * ENTRY_SIZE // SECTOR
FIRST_USABLE = 2 + ENTRIES_SECTORS
TAIL_SECTORS = ENTRIES_SECTORS + 1

_SIGNATURE = b"EFI PART"
_REVISION = 0x00010000
_HEADER = struct.Struct("<8sIIIIQQQQ16sQIII")
_ENTRY = struct.Struct("<16s16sQQQ72s")
_BOOT_CODE, _MBR_TABLE = 440, 446
_CRC_AT = 16
_PROTECTIVE = 0xEE  # the type of what an MBR says of a disk with a GPT
_MOST = 1 << 24  # bytes of entries


@dataclass(frozen=True, slots=True)
class TableEntry:
    """One partition. start, size: bytes, multiples of 512. number: its place in the table, from
    1.
    """

    number: int
    type_guid: UUID
    guid: UUID
    start: int
    size: int
    name: str = ""
    attributes: int = 0


@dataclass(frozen=True, slots=True)
class Table:
    """A partition table. size: bytes of the whole disk."""

    guid: UUID
    size: int
    entries: tuple[TableEntry, ...]

    def misplaced(self) -> Iterator[tuple[TableEntry, str]]:
        """Partitions that cannot be written side by side, each with why: what is not between the
        copies of the table, or lies over another one.
        """
        first, end = FIRST_USABLE * SECTOR, self.size - TAIL_SECTORS * SECTOR
        before: TableEntry | None = None
        for each in sorted(self.entries, key=lambda entry: (entry.start, entry.number)):
            if each.start < first or each.size <= 0 or each.start + each.size > end:
                yield each, "it is not on the disk, or lies over the partition table"
            elif before is not None and each.start < before.start + before.size:
                yield each, f"it lies over partition {before.number}"
            else:
                before = each


def write(table: Table, out: IO[bytes], boot_code: bytes = b"") -> None:
    """Write both copies of a table into a disk file that has its full size already.

    boot_code: what a BIOS starts, up to 440 bytes.
    """
    sectors = table.size // SECTOR
    entries = _entries(table.entries)
    last = sectors - 1
    out.seek(0)
    out.write(boot_code[:_BOOT_CODE] + _mbr(sectors)[len(boot_code[:_BOOT_CODE]) :])
    out.write(_header(table.guid, entries, 1, last, 2, last))
    out.write(entries)
    out.seek((sectors - TAIL_SECTORS) * SECTOR)
    out.write(entries)
    out.write(_header(table.guid, entries, last, 1, sectors - TAIL_SECTORS, last))


def _mbr(sectors: int) -> bytes:
    """The MBR that keeps tools without knowledge of GPT away from the disk."""
    sector = bytearray(SECTOR)
    entry = struct.pack(
        "<B3sB3sII", 0, b"\x00\x02\x00", 0xEE, b"\xff\xff\xff", 1, min(sectors - 1, 0xFFFFFFFF)
    )
    sector[_MBR_TABLE : _MBR_TABLE + len(entry)] = entry
    sector[510:] = b"\x55\xaa"
    return bytes(sector)


def _entries(entries: Sequence[TableEntry]) -> bytes:
    table = bytearray(ENTRIES * ENTRY_SIZE)
    for entry in entries:
        _ENTRY.pack_into(
            table,
            (entry.number - 1) * ENTRY_SIZE,
            entry.type_guid.bytes_le,
            entry.guid.bytes_le,
            entry.start // SECTOR,
            (entry.start + entry.size) // SECTOR - 1,
            entry.attributes,
            entry.name.encode("utf-16-le"),
        )
    return bytes(table)


def _header(guid: UUID, entries: bytes, at: int, other: int, entries_at: int, last: int) -> bytes:
    fields = (
        *(at, other, FIRST_USABLE, last - TAIL_SECTORS, guid.bytes_le, entries_at),
        *(ENTRIES, ENTRY_SIZE, zlib.crc32(entries)),
    )
    plain = _HEADER.pack(_SIGNATURE, _REVISION, _HEADER.size, 0, 0, *fields)
    summed = _HEADER.pack(_SIGNATURE, _REVISION, _HEADER.size, zlib.crc32(plain), 0, *fields)
    return summed.ljust(SECTOR, b"\0")


def read(disk: IO[bytes], size: int | None = None) -> Table:
    """Read the table of a disk file: the first copy, or the second where the first is damaged.

    size: bytes of the disk, where the file goes on behind it. Raises DockyardError when neither is
    sound.
    """
    size = disk.seek(0, os.SEEK_END) if size is None else size
    for sector in (1, size // SECTOR - 1):
        found = _read_copy(disk, sector, size)
        if found is not None:
            return found[0]
    raise _none(disk, "the disk has no valid GUID partition table")


def read_first(disk: IO[bytes], size: int) -> tuple[Table, int]:
    """Read the first copy of the table of a disk, and the byte at which what belongs to it ends.

    Raises DockyardError when it is not sound.
    """
    found = _read_copy(disk, 1, size)
    if found is None:
        raise _none(disk, "the first partition table of the disk is not sound")
    return found


def _none(disk: IO[bytes], what: str) -> DockyardError:
    return DockyardError(
        Problem(
            code="disk.no-gpt",
            what=what,
            where=str(getattr(disk, "name", "")) or None,
            fix="check that the file is a raw disk image",
        )
    )


def second_copy(first: bytes, size: int) -> tuple[int, bytes]:
    """The second copy of a table, made of what belongs to the first, and the byte where it goes.

    first: the beginning of a disk up to the end of the table's entries, which `read_first` took.
    size: bytes of the disk. Raises ValueError where the first says that it is elsewhere.
    """
    fields = list(_HEADER.unpack_from(first, SECTOR))
    length, other, entries_at, count, entry_size = fields[2], fields[6], *fields[10:13]
    entries = first[entries_at * SECTOR :][: count * entry_size]
    room = -(-len(entries) // SECTOR)
    last = size // SECTOR - 1
    if other != last or fields[8] >= last - room:
        raise ValueError("the second partition table is not at the end of the disk")
    header = bytearray(first[SECTOR : 2 * SECTOR])
    fields[3], fields[5], fields[6], fields[10] = 0, last, 1, last - room
    _HEADER.pack_into(header, 0, *fields)
    struct.pack_into("<I", header, _CRC_AT, zlib.crc32(header[:length]))
    return (last - room) * SECTOR, entries.ljust(room * SECTOR, b"\0") + bytes(header)


def moved(first: bytes, size: int) -> bytes:
    """What belongs to the first copy of a table, for a disk of another size: the second copy is at
    the end of that, and the room up to there may be used. first: as in `second_copy`. The MBR says
    the new size as well. Raises ValueError where a partition lies beyond it.
    """
    fields = list(_HEADER.unpack_from(first, SECTOR))
    length, entries_at, count, entry_size = fields[2], *fields[10:13]
    room = -(-count * entry_size // SECTOR)
    last = size // SECTOR - 1
    used = [_read_entry(first[entries_at * SECTOR :], at + 1, entry_size) for at in range(count)]
    ends = (each.start + each.size for each in used if each.type_guid.int)
    if max(ends, default=0) > (last - room) * SECTOR:
        raise ValueError("a partition lies beyond the end of the disk")
    new = bytearray(first)
    fields[3], fields[6], fields[8] = 0, last, last - room - 1
    _HEADER.pack_into(new, SECTOR, *fields)
    struct.pack_into("<I", new, SECTOR + _CRC_AT, zlib.crc32(new[SECTOR : SECTOR + length]))
    if new[_MBR_TABLE + 4] == _PROTECTIVE:
        struct.pack_into("<I", new, _MBR_TABLE + 12, min(last, 0xFFFFFFFF))
    return bytes(new)


def _read_copy(disk: IO[bytes], sector: int, size: int) -> tuple[Table, int] | None:
    """A copy of the table, and the byte at which its entries end."""
    if sector < 1:
        return None
    disk.seek(sector * SECTOR)
    raw = disk.read(SECTOR)
    if len(raw) < SECTOR or raw[:8] != _SIGNATURE:
        return None
    _, _, length, crc, _, at, _, _, _, guid, entries_at, count, entry_size, entries_crc = (
        _HEADER.unpack_from(raw)
    )
    if not _HEADER.size <= length <= SECTOR or at != sector or entry_size < _ENTRY.size:
        return None
    if zlib.crc32(raw[:16] + bytes(4) + raw[20:length]) != crc or count * entry_size > _MOST:
        return None
    if entries_at * SECTOR > size:
        return None
    disk.seek(entries_at * SECTOR)
    entries = disk.read(count * entry_size)
    if len(entries) < count * entry_size or zlib.crc32(entries) != entries_crc:
        return None
    found = [_read_entry(entries, number, entry_size) for number in range(1, count + 1)]
    used = tuple(entry for entry in found if entry.type_guid.int != 0)
    end = -(-(entries_at * SECTOR + len(entries)) // SECTOR) * SECTOR
    return Table(UUID(bytes_le=guid), size, used), end


def _read_entry(entries: bytes, number: int, entry_size: int) -> TableEntry:
    kind, guid, first, last, attributes, name = _ENTRY.unpack_from(
        entries, (number - 1) * entry_size
    )
    text = name.decode("utf-16-le", errors="replace").partition("\0")[0]
    return TableEntry(
        number,
        UUID(bytes_le=kind),
        UUID(bytes_le=guid),
        first * SECTOR,
        (last + 1 - first) * SECTOR,
        text,
        attributes,
    )
