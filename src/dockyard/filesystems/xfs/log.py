"""Reads the log of XFS: finds its end, whether it is clean, and the transactions still to replay.

Layout: "XFS Algorithms & Data Structures", "Journaling Log", fs/xfs/libxfs/xfs_log_format.h and
xfs_log_recover.c of Linux. The log is a ring of sectors. A record has a header, or several, and
data, in which the first word of each sector was swapped for the number of the round through the
ring; the headers keep the words. The last whole record says where the oldest transaction begins
that may not be in place yet; a clean log ends with a record of unmounting.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from dockyard.filesystems.crc32c import advanced
from dockyard.filesystems.xfs.volume import Volume

SECTOR = 512
_MAGIC = b"\xfe\xed\xba\xbe"
_HEADER = struct.Struct(">4sIIIQQ4sII")
_FORMAT_AT, _SIZE_AT, _CHECKSUM_AT, _WORDS_AT = 300, 320, 32, 44
_LITTLE_ENDIAN = 1
_WORDS = 64  # sectors whose first words one header keeps
_PER_HEADER = 32768
_OPERATION = struct.Struct(">IIBBH")
_CLIENTS = (0x69, 0xAA)  # transactions, and the log itself
_START, _COMMIT, _CONTINUED, _UNMOUNT = 0x01, 0x02, 0x08, 0x20
_MOST_TRIES = 16
_ALL = 0xFFFFFFFF
# The kernel sums up its own structures, whose length differs between machines and releases.
_HEADER_LENGTHS = ((328, 260), (324, 260), (328, 512))
ADVICE = "mount and unmount it once with a kernel that has XFS"


@dataclass(frozen=True, slots=True)
class Record:
    """A record: where it begins in the ring, and what its header says."""

    sector: int
    lsn: int
    tail: int
    length: int
    operations: int
    headers: int

    @property
    def sectors(self) -> int:
        """How many sectors it takes, headers included."""
        return self.headers + -(-self.length // SECTOR)


class Log:
    """The log of a volume."""

    def __init__(self, volume: Volume) -> None:
        made = volume.superblock
        self._volume = volume
        self._at = volume.place(made.log_start)
        self._sectors = made.log_blocks * made.block_size // SECTOR
        if not self._sectors or self._at + self._sectors * SECTOR > len(volume.data):
            raise volume.broken("its log is past its end")
        self.records = self._to_replay()

    @property
    def is_dirty(self) -> bool:
        """Whether there is something to replay."""
        return bool(self.records)

    def _broken(self, why: str) -> Exception:
        return self._volume.broken(f"its log is not replayed, and {why}", ADVICE)

    def _raw(self, sector: int, count: int) -> bytes:
        """Sectors of the ring."""
        sector %= self._sectors
        first = min(count, self._sectors - sector)
        start = self._at + sector * SECTOR
        found = self._volume.data[start : start + first * SECTOR]
        return found if first == count else found + self._raw(0, count - first)

    def _header(self, sector: int) -> Record | None:
        raw = self._raw(sector, 1)
        magic, cycle, version, length, lsn, tail, _, _, operations = _HEADER.unpack_from(raw)
        if magic != _MAGIC or lsn != cycle << 32 | sector % self._sectors:
            return None
        (size,) = struct.unpack_from(">I", raw, _SIZE_AT)
        headers = max(1, -(-size // _PER_HEADER)) if version & 2 else 1
        sectors = headers + -(-length // SECTOR)
        if headers > _WORDS or length > headers * _PER_HEADER or sectors > self._sectors:
            return None
        return Record(sector % self._sectors, lsn, tail, length, operations, headers)

    def _to_replay(self) -> list[Record]:
        last = self._latest()
        for _ in range(_MOST_TRIES):
            if last is None:
                return []
            if self._is_unmounted(last):
                return []
            chain = self._chain(last)
            if chain and chain[-1] == last:
                return chain
            if not chain:
                break
            last = chain[-1]  # what comes after it was not written as a whole
        raise self._broken("it is damaged")

    def _latest(self) -> Record | None:
        """The record of the highest number; none in a log that is all zeros."""
        firsts = self._volume.data[self._at : self._at + self._sectors * SECTOR : SECTOR]
        found, sector = None, -1
        while (sector := firsts.find(_MAGIC[:1], sector + 1)) >= 0:
            record = self._header(sector)
            if record and (found is None or record.lsn > found.lsn):
                found = record
        if found is None and any(firsts):
            raise self._broken("has no record")
        return found

    def _is_unmounted(self, record: Record) -> bool:
        if record.operations != 1:
            return False
        data = self._data(record, verify=False)  # mkfs.xfs writes none
        if data is None or len(data) < _OPERATION.size:
            return False
        return bool(_OPERATION.unpack_from(data)[3] & _UNMOUNT)

    def _chain(self, last: Record) -> list[Record]:
        """The records from the tail that a record names to itself, or to before a damaged one."""
        chain: list[Record] = []
        sector, left = last.tail & 0xFFFFFFFF, self._sectors
        if last.tail > last.lsn:
            raise self._broken("its tail is after its head")
        while left > 0:
            record = self._header(sector)
            lowest = chain[-1].lsn + 1 if chain else last.tail
            if record is None or not lowest <= record.lsn <= last.lsn or not self._data(record):
                return chain
            chain.append(record)
            if record == last:
                return chain
            left -= record.sectors
            sector = (record.sector + record.sectors) % self._sectors
        return chain

    def _data(self, record: Record, *, verify: bool = True) -> bytes | None:
        """The data of a record with their first words put back; None where they are damaged."""
        headers = self._raw(record.sector, record.headers)
        count = -(-record.length // SECTOR)
        data = self._raw(record.sector + record.headers, count)
        cycle = record.lsn >> 32
        words: list[bytes] = []
        for number in range(record.headers):
            at = number * SECTOR + (_WORDS_AT if number == 0 else 4)
            words += [headers[at + 4 * index : at + 4 * index + 4] for index in range(_WORDS)]
        made = bytearray(data)
        for index in range(count):
            # A record that crosses the end of the ring goes on in the next round.
            wrapped = record.sector + record.headers + index >= self._sectors
            if int.from_bytes(data[index * SECTOR : index * SECTOR + 4], "big") != cycle + wrapped:
                return None
            made[index * SECTOR : index * SECTOR + 4] = words[index]
        if verify and self._volume.is_v5 and not self._is_sound(headers, data[: record.length]):
            return None
        return bytes(made[: record.length])

    def _is_sound(self, headers: bytes, data: bytes) -> bool:
        kept = int.from_bytes(headers[_CHECKSUM_AT : _CHECKSUM_AT + 4], "little")
        cleared = headers[:_CHECKSUM_AT] + bytes(4) + headers[_CHECKSUM_AT + 4 :]
        for first, further in _HEADER_LENGTHS:
            register = advanced(_ALL, cleared[:first])
            for at in range(SECTOR, len(headers), SECTOR):
                register = advanced(register, headers[at : at + further])
            if advanced(register, data) ^ _ALL == kept:
                return True
        return False

    def transactions(self) -> Iterator[tuple[int, list[list[bytes]]]]:
        """The committed transactions in order: the number of the record in which each begins, and
        its items, each a list of regions.
        """
        pending: dict[int, tuple[int, list[bytes]]] = {}
        for record in self.records:
            self._check_format(record)
            data = self._data(record)
            if data is None:
                raise self._broken("it is damaged")
            at = 0
            for _ in range(record.operations):
                number, length, client, flags, _ = _OPERATION.unpack_from(data, at)
                at += _OPERATION.size
                content = data[at : at + length]
                at += length
                if len(content) != length or client not in _CLIENTS:
                    raise self._broken("it is damaged")
                if flags & _UNMOUNT:
                    continue
                if flags & _START:
                    pending[number] = (record.lsn, [])
                if number not in pending:
                    continue  # it began before the tail, so it is in place
                regions = pending[number][1]
                if flags & _COMMIT:
                    lsn, regions = pending.pop(number)
                    yield lsn, self._items(regions)
                elif flags & _CONTINUED and regions:
                    regions[-1] += content
                elif content:
                    regions.append(content)

    def _check_format(self, record: Record) -> None:
        raw = self._raw(record.sector, 1)
        if int.from_bytes(raw[_FORMAT_AT : _FORMAT_AT + 4], "big") != _LITTLE_ENDIAN:
            raise self._broken("was written by a big-endian machine")

    def _items(self, regions: list[bytes]) -> list[list[bytes]]:
        """The regions of a transaction after its header, by the counts that items begin with."""
        items, at = [], 1
        while at < len(regions):
            count = int.from_bytes(regions[at][2:4], "little")
            if not count or at + count > len(regions):
                raise self._broken("it is damaged")
            items.append(regions[at : at + count])
            at += count
        return items
