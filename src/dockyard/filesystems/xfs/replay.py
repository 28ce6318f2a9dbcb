"""Replays the log of XFS into a copy-on-write map of the image, as a mount would on the disk.

What the kernel does in two passes (fs/xfs/xfs_log_recover.c, xfs_buf_item_recover.c,
xfs_inode_item_recover.c, xfs_icreate_item.c): first the buffers that were given up are counted,
then buffers, new inodes and inodes are put in place, unless what is there is newer. Left out is
what no reader sees: quotas, lists of unlinked inodes, and intents to free space or to note who uses
it. Intents that change what files show are refused: only the kernel carries these out.
"""

from __future__ import annotations

import struct
from collections import Counter

from dockyard.filesystems.image import Image
from dockyard.filesystems.xfs.log import ADVICE, SECTOR, Log
from dockyard.filesystems.xfs.volume import Volume

_INODE, _BUFFER, _CREATE = 0x123B, 0x123C, 0x123F
# To map extents, to set attributes, to exchange ranges; each is followed by its "done".
_INTENTS = {
    0x1244: "map extents", 0x1246: "set attributes", 0x1248: "exchange ranges"
}  # fmt: skip
_DONE = {number + 1: number for number in _INTENTS}
_INODE_BUFFER, _GIVEN_UP, _QUOTA = 0x01, 0x02, 0x1C
_BUFFER_FORMAT = struct.Struct("<HHHHqI")
_CHUNK = 128
_INODE_FORMAT = struct.Struct("<HHIHHIQI12xqii")
_CREATE_FORMAT = struct.Struct(">4xIIIIII")
_DATA_FORK, _DATA_ROOT, _DEVICE, _ATTRIBUTE_FORK, _ATTRIBUTE_ROOT = 0xE, 0x8, 0x10, 0x1C0, 0x100
_CORE, _BLOCK_HEADER = 176, 72
# The numbers of an inode's core: in the log as the machine has them, on disk big-endian.
_NUMBERS = "HHBBHIIIHH Q {times} QQI {counts} BBIHHII 4x QQQI 12x {birth}"
_BIG_TIME, _LARGE_COUNTS = 1 << 3, 1 << 4
_LSN_AT = {  # of the buffers that a reader looks at, by their first bytes
    b"BMA3": 32, b"XSLM": 48, b"XDB3": 16, b"XDD3": 16, b"XDF3": 16,
    b"AB3B": 24, b"AB3C": 24, b"IAB3": 24, b"FIB3": 24, b"RMB3": 24, b"R3FC": 24,
    b"XAGF": 208, b"XAGI": 320, b"XAFL": 24, b"XFSB": 240,
}  # fmt: skip
_LSN_OF_TREES = {b"\x3d\xf1": 24, b"\x3d\xff": 24, b"\x3e\xbe": 24, b"\x3b\xee": 24}
_MOST_BYTES, _LONGEST = 256 << 20, 512 << 20


class _Replay:
    def __init__(self, volume: Volume, log: Log) -> None:
        self.volume = volume
        self.transactions = list(log.transactions())
        self.touched: set[int] = set()
        self.given_up: Counter[int] = Counter()
        self.data = volume.data

    def run(self) -> frozenset[int]:
        intents: dict[tuple[int, bytes], None] = {}
        for _, items in self.transactions:
            for item in items:
                kind = _kind(item)
                if kind == _BUFFER and self._buffer(item)[0] & _GIVEN_UP:
                    self.given_up[self._buffer(item)[1]] += 1
                elif kind in _INTENTS:
                    intents[kind, item[0][8:16]] = None
                elif kind in _DONE:
                    intents.pop((_DONE[kind], item[0][8:16]), None)
        if intents:
            what = " and to ".join(sorted({_INTENTS[kind] for kind, _ in intents}))
            raise self.volume.broken(
                f"its log has an intent to {what}, which is the kernel's", ADVICE
            )
        for lsn, items in self.transactions:
            self._replay(lsn, items)
        return frozenset(self.touched)

    def _replay(self, lsn: int, items: list[list[bytes]]) -> None:
        given_up: list[int] = []
        inodes: list[list[bytes]] = []
        for item in items:
            kind = _kind(item)
            if kind == _INODE:
                inodes.append(item)
            elif kind == _CREATE:
                self._create(item)
            elif kind == _BUFFER:
                flags, sector, length = self._buffer(item)
                if flags & _GIVEN_UP:
                    given_up.append(sector)
                elif not flags & (_INODE_BUFFER | _QUOTA) and not self.given_up[sector]:
                    self._put_buffer(item, sector * SECTOR, length, lsn)
        for item in inodes:
            self._put_inode(item, lsn)
        self.given_up.subtract(given_up)

    def _buffer(self, item: list[bytes]) -> tuple[int, int, int]:
        _, _, flags, length, sector, _ = _BUFFER_FORMAT.unpack_from(item[0])
        return flags, sector, length * SECTOR

    def _write(self, at: int, content: bytes) -> None:
        if at < 0 or at + len(content) > len(self.data):
            raise self.volume.broken("its log is damaged", ADVICE)
        self.data[at : at + len(content)] = content
        self.touched.update(range(at >> 8, at + len(content) + 255 >> 8))
        if len(self.touched) << 8 > _MOST_BYTES:
            raise self.volume.broken("its log is too large to be replayed here", ADVICE)

    def _put_buffer(self, item: list[bytes], at: int, length: int, lsn: int) -> None:
        if at < 0 or at + length > len(self.data):
            raise self.volume.broken("its log is damaged", ADVICE)
        if at >> 8 not in self.touched and self._lsn_of(at) >= lsn:
            return
        words = _BUFFER_FORMAT.unpack_from(item[0])[5]
        bits = int.from_bytes(item[0][20 : 20 + 4 * words], "little")
        region, bit = 1, 0
        while bits >> bit and region < len(item):
            if not bits >> bit & 1:
                bit += 1
                continue
            content = item[region]
            chunks = 0
            while bits >> bit + chunks & 1 and (chunks + 1) * _CHUNK <= len(content):
                chunks += 1
            if not chunks or (bit + chunks) * _CHUNK > length:
                raise self.volume.broken("its log is damaged", ADVICE)
            self._write(at + bit * _CHUNK, content[: chunks * _CHUNK])
            region, bit = region + 1, bit + chunks
        # Its checksum is made anew when it is written, so it is not verified.
        self.touched.update(range(at >> 8, at + length >> 8))

    def _lsn_of(self, at: int) -> int:
        """The transaction that a buffer was last written for, -1 where it does not say."""
        head = self.data[at : at + 512]
        place = _LSN_AT.get(head[:4]) or _LSN_OF_TREES.get(head[8:10])
        if place is None:
            return -1
        found = int.from_bytes(head[place : place + 8], "big")
        is_own = self.volume.superblock.meta_uuid in head
        return found if is_own and found and found != (1 << 64) - 1 else -1

    def _create(self, item: list[bytes]) -> None:
        """Put empty inodes in place of a new chunk of them."""
        group, block, count, size, length, generation = _CREATE_FORMAT.unpack_from(item[0])
        made = self.volume.superblock
        if size != made.inode_size or count * size > length * made.block_size:
            raise self.volume.broken("its log is damaged", ADVICE)
        at = self.volume.place(group << made.group_log | block)
        sectors = range(at // SECTOR, (at + count * size) // SECTOR)
        if any(self.given_up[sector] for sector in sectors):
            return
        first = (group << made.group_log | block) << made.inodes_log
        for index in range(count):
            raw = bytearray(size)
            raw[:2], raw[4] = b"IN", 3
            raw[92:96] = generation.to_bytes(4, "big")
            raw[152:160] = (first + index).to_bytes(8, "big")
            raw[160:176] = made.meta_uuid
            self._write(at + index * size, bytes(raw))

    def _put_inode(self, item: list[bytes], lsn: int) -> None:
        if len(item[0]) != _INODE_FORMAT.size or len(item) < 2 or len(item[1]) < _CORE:
            raise self.volume.broken("its log is damaged", ADVICE)
        _, regions, fields, _, _, _, _, device, sector, _, offset = _INODE_FORMAT.unpack(item[0])
        if self.given_up[sector]:
            return
        at, size = sector * SECTOR + offset, self.volume.inode_size
        raw = bytearray(self.volume.bytes_at(at, size) if at >= 0 else b"")
        there = int.from_bytes(raw[112:120], "big")
        if raw[:2] != b"IN" or item[1][:2] != b"NI":
            raise self.volume.broken("its log has an inode where there is none", ADVICE)
        if there != (1 << 64) - 1 and there > lsn:
            return
        raw[:_CORE] = _core(item[1]) + raw[152:_CORE]
        raw[112:120] = lsn.to_bytes(8, "big")
        end = _CORE + raw[82] * 8 if raw[82] else size
        if fields & _DEVICE:
            raw[_CORE : _CORE + 4] = device.to_bytes(4, "big")
        forks = item[2:regions]
        if fields & _DATA_FORK and forks:
            self._put_fork(raw, _CORE, end, forks.pop(0), bool(fields & _DATA_ROOT))
        if fields & _ATTRIBUTE_FORK and forks:
            self._put_fork(raw, end, size, forks.pop(0), bool(fields & _ATTRIBUTE_ROOT))
        self._write(at, bytes(raw))

    def _put_fork(
        self, raw: bytearray, start: int, end: int, content: bytes, is_root: bool
    ) -> None:
        if is_root:
            # In memory the root of a tree has the header of a block and room of its own.
            count = int.from_bytes(content[6:8], "big")
            keys = content[_BLOCK_HEADER : _BLOCK_HEADER + 8 * count]
            at = _BLOCK_HEADER + (len(content) - _BLOCK_HEADER) // 16 * 8
            pointers = content[at : at + 8 * count]
            room = (end - start - 4) // 16 * 8
            content = content[4:8] + keys + bytes(room - len(keys)) + pointers
        if start + len(content) > end:
            raise self.volume.broken("its log is damaged", ADVICE)
        raw[start : start + len(content)] = content


def _kind(item: list[bytes]) -> int:
    return int.from_bytes(item[0][:2], "little")


def _core(logged: bytes) -> bytes:
    """The core of an inode as it is on disk, up to the inode's number."""
    flags = int.from_bytes(logged[120:128], "little")
    form = _NUMBERS.format(
        times="QQQ" if flags & _BIG_TIME else "iIiIiI",
        birth="Q" if flags & _BIG_TIME else "iI",
        counts="IH",
    )
    layout = form.replace(" ", "")
    return struct.pack(">" + layout, *struct.unpack_from("<" + layout, logged))


def recovered(image: Image) -> Volume:
    """An image with its log replayed where that is still to be done."""
    volume = Volume(image)
    log = Log(volume)
    if not log.is_dirty:
        return volume
    if not volume.is_v5:
        raise volume.broken("its log is not replayed, and it is of version 4", ADVICE)
    if sum(record.length for record in log.records) > _LONGEST:
        raise volume.broken("its log is too large to be replayed here", ADVICE)
    volume.make_writable()
    volume.replayed = _Replay(volume, log).run()
    return volume
