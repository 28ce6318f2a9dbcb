"""Replays the journal of ext3 and ext4 (jbd2) in memory: the image is not written to.

Layout: Documentation/filesystems/ext4/journal.rst of Linux; what is replayed, and where that ends,
is as in fs/jbd2/recovery.c: complete transactions in order, up to the first one whose commit block
is missing or wrong; a block that a later transaction revoked stays as it is. Checksums are those
of every block (csum_v2, csum_v3) or of a whole transaction (before Linux 3.5).
"""

from __future__ import annotations

import struct
import zlib
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field

from dockyard.errors import DockyardError
from dockyard.filesystems.crc32c import advanced
from dockyard.filesystems.ext4.features import HAS_JOURNAL, NEEDS_RECOVERY
from dockyard.filesystems.ext4.mapping import extents
from dockyard.filesystems.ext4.superblock import FSCK
from dockyard.filesystems.ext4.volume import Volume
from dockyard.filesystems.image import Image

_MAGIC = b"\xc0\x3b\x39\x98"
_DESCRIPTOR, _COMMIT, _SUPERBLOCK_V1, _SUPERBLOCK_V2, _REVOKE = range(1, 6)
_HEADER = struct.Struct(">4sII")

_SUPERBLOCK = struct.Struct(">12sIIIII4xIII16s")
_SUPERBLOCK_SIZE = 1024
_CHECKSUM_TYPE_AT, _FAST_BLOCKS_AT, _CHECKSUM_AT = 0x50, 0x54, 0xFC
_CRC32C = 4
_ALL = 0xFFFFFFFF

# A compatible feature of the journal, then incompatible ones.
_CSUM_V1 = 0x1
_WIDE, _CSUM_V2, _CSUM_V3, _FAST = 0x2, 0x8, 0x10, 0x20
_UNDERSTOOD = 0x1 | _WIDE | 0x4 | _CSUM_V2 | _CSUM_V3 | _FAST
_FAST_BLOCKS = 256
_FAST_HEAD = struct.Struct("<HHII")
_FAST_HEAD_TAG = 9

# Of the tags of a descriptor.
_TAG_V3 = struct.Struct(">IIII")
_TAG = struct.Struct(">IHHI")
_ESCAPED, _SAME_UUID, _LAST = 0x1, 0x2, 0x8
_UUID_SIZE = 16
_TAIL_SIZE = 4
_COMMIT_CHECKSUM_AT = 16
_REVOKE_HEADER = 16
# The old checksum is CRC-32 with the highest bit first, where that of zlib has the lowest.
_CRC32 = bytes([1, 4])
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


@dataclass(frozen=True, slots=True)
class _Tag:
    """What a descriptor says of one block after it."""

    block: int
    checksum: int
    flags: int


@dataclass(slots=True)
class _Transaction:
    """The blocks of a transaction: target and place in the log of each, and those it revokes.

    checksum: of descriptors and blocks, of the old kind.
    """

    written: list[tuple[_Tag, int]] = field(default_factory=list)
    revoked: set[int] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)
    checksum: int = 0


def volume_of(image: Image) -> Volume:
    """The volume of an image, as the kernel would show it: with its journal replayed."""
    volume = Volume(image)
    facts = volume.facts
    if not facts.incompatible & NEEDS_RECOVERY:
        return volume
    if not facts.compatible & HAS_JOURNAL:
        raise volume.broken("it needs a journal that it has not", FSCK)
    if not facts.journal_inode:
        raise volume.broken(
            "its journal is on another device (an external journal), and is not replayed",
            "run e2fsck with both devices at hand, then use it again",
        )
    volume.begin_listing()
    _Journal(volume).replay()
    volume.end_listing()
    volume.take_superblock()
    return volume


class _Journal:
    """The log, a ring of blocks from `first` to before `end`."""

    def __init__(self, volume: Volume) -> None:
        self.volume = volume
        self.blocks = self._mapped()
        block = self._block(0)
        if _HEADER.unpack_from(block)[:2] not in (
            (_MAGIC, _SUPERBLOCK_V1),
            (_MAGIC, _SUPERBLOCK_V2),
        ):
            raise self._damaged("it has no superblock")
        (
            _,
            size,
            length,
            self.first,
            self.sequence,
            self.start,
            compatible,
            incompatible,
            _,
            uuid,
        ) = _SUPERBLOCK.unpack_from(block)
        self.features = incompatible if block[7] == _SUPERBLOCK_V2 else 0
        self.has_old_checksums = block[7] == _SUPERBLOCK_V2 and bool(compatible & _CSUM_V1)
        if unknown := self.features & ~_UNDERSTOOD:
            raise self._damaged(f"it has features that are not known: {unknown:#x}")
        self.seed = advanced(_ALL, uuid)
        self.has_checksums = bool(self.features & (_CSUM_V2 | _CSUM_V3))
        if self.has_checksums:
            self._verify_superblock(block)
        self.end = length
        if self.features & _FAST:
            self.end -= int.from_bytes(block[_FAST_BLOCKS_AT:][:4], "big") or _FAST_BLOCKS
        if size != volume.block_size or length > len(self.blocks):
            raise self._damaged("its size is wrong")
        if not 0 < self.first < self.end or (
            self.start and not self.first <= self.start < self.end
        ):
            raise self._damaged("it begins nowhere")

    def _mapped(self) -> array[int]:
        """For each block of the log its number in the image."""
        inode = self.volume.inode(self.volume.facts.journal_inode)
        count = inode.size // self.volume.block_size
        found = array("Q")
        for extent in extents(self.volume, inode):
            if extent.logical != len(found):
                raise self._damaged("it has holes")
            found.extend(range(extent.physical, extent.physical + extent.blocks))
        if not count or count > len(found):
            raise self._damaged("it has holes")
        return found

    def _verify_superblock(self, block: bytes) -> None:
        plain = block[:_CHECKSUM_AT] + bytes(4) + block[_CHECKSUM_AT + 4 : _SUPERBLOCK_SIZE]
        checksum = int.from_bytes(block[_CHECKSUM_AT:][:4], "big")
        if block[_CHECKSUM_TYPE_AT] != _CRC32C or advanced(_ALL, plain) != checksum:
            raise self._damaged("the checksum of its superblock is wrong")

    def replay(self) -> None:
        """Put the blocks of all transactions that are complete in their places, in memory."""
        if not self.start:
            return
        transactions = self._complete()
        self._refuse_fast_commits(self.sequence + len(transactions) & _ALL)
        revoked: dict[int, int] = {}
        for index, transaction in enumerate(transactions):
            revoked.update(dict.fromkeys(transaction.revoked, index))
        self.volume.make_writable()
        size = self.volume.block_size
        for index, transaction in enumerate(transactions):
            if transaction.faults:
                raise self._damaged(transaction.faults[0])
            for tag, at in transaction.written:
                if revoked.get(tag.block, -1) >= index:
                    continue
                block = self._data(tag, at, self.sequence + index & _ALL)
                self.volume.data[tag.block * size : (tag.block + 1) * size] = block

    def _complete(self) -> list[_Transaction]:
        """The transactions up to the first one that is not committed."""
        found: list[_Transaction] = []
        current, sequence = _Transaction(), self.sequence
        at, left = self.start, self.end - self.first
        while left > 0:
            block = self._block(at)
            magic, kind, its_sequence = _HEADER.unpack_from(block)
            if magic != _MAGIC or its_sequence != sequence:
                break
            steps = 1
            if kind == _DESCRIPTOR:
                if not self._has_sound_tail(block):
                    current.faults.append("the checksum of one of its blocks is wrong")
                for tag in self._tags(block):
                    current.written.append((tag, self._after(at, steps)))
                    steps += 1
                if self.has_old_checksums:
                    for step in range(steps):
                        reversed_bits = self._block(self._after(at, step)).translate(_REVERSED)
                        current.checksum = zlib.crc32(reversed_bits, current.checksum)
            elif kind == _REVOKE:
                self._revoke(block, current)
            elif kind == _COMMIT:
                if not self._is_sound_commit(block, current):
                    break
                found.append(current)
                current, sequence = _Transaction(), sequence + 1 & _ALL
            else:
                break
            at, left = self._after(at, steps), left - steps
        return found

    def _after(self, at: int, steps: int) -> int:
        after: int = self.first + (at - self.first + steps) % (self.end - self.first)
        return after

    def _block(self, at: int) -> bytes:
        return self.volume.block(self.blocks[at])

    def _tags(self, block: bytes) -> Iterator[_Tag]:
        """The tags of a descriptor; how long one is depends on the journal's features."""
        end = len(block) - (_TAIL_SIZE if self.has_checksums else 0)
        wide, is_third = self.features & _WIDE, self.features & _CSUM_V3
        layout = _TAG_V3 if is_third else _TAG
        size = layout.size
        if not is_third:
            size += (2 if self.features & _CSUM_V2 else 0) - (0 if wide else 4)
        at, flags = _HEADER.size, 0
        while at + size <= end and not flags & _LAST:
            fields = layout.unpack(block[at : at + size].ljust(layout.size, b"\0")[: layout.size])
            if is_third:
                number, flags, high, checksum = fields
            else:
                number, checksum, flags, high = fields
            at += size + (0 if flags & _SAME_UUID else _UUID_SIZE)
            yield _Tag(number | (high << 32 if wide else 0), checksum, flags)

    def _revoke(self, block: bytes, transaction: _Transaction) -> None:
        """Take what a block revokes; numbers past the end would only take memory."""
        size, kind = (8, ">Q") if self.features & _WIDE else (4, ">I")
        end = int.from_bytes(block[_HEADER.size : _REVOKE_HEADER], "big")
        if not self._has_sound_tail(block) or not _REVOKE_HEADER <= end <= len(block):
            transaction.faults.append("what it revokes is damaged")
            return
        numbers = block[_REVOKE_HEADER : end - (end - _REVOKE_HEADER) % size]
        most = self.volume.facts.blocks
        transaction.revoked.update(
            number for (number,) in struct.iter_unpack(kind, numbers) if number < most
        )

    def _has_sound_tail(self, block: bytes) -> bool:
        if not self.has_checksums:
            return True
        checksum = advanced(self.seed, block[:-_TAIL_SIZE] + bytes(_TAIL_SIZE))
        return checksum.to_bytes(4, "big") == block[-_TAIL_SIZE:]

    def _is_sound_commit(self, block: bytes, transaction: _Transaction) -> bool:
        at = _COMMIT_CHECKSUM_AT
        found = block[at : at + 4]
        if self.has_old_checksums:
            checksum = transaction.checksum ^ _ALL
            expected = checksum.to_bytes(4, "little").translate(_REVERSED)
            kinds = block[at - 4 : at - 2]
            return (kinds == _CRC32 and found == expected) or (kinds + found) == bytes(6)
        if not self.has_checksums:
            return True
        checksum = advanced(self.seed, block[:at] + bytes(4) + block[at + 4 :])
        return checksum.to_bytes(4, "big") == found

    def _data(self, tag: _Tag, at: int, sequence: int) -> bytes:
        """What a tag has for its block, verified."""
        if tag.block >= self.volume.facts.blocks:
            raise self._damaged(f"it has a block {tag.block} past the end")
        block = self._block(at)
        if self.has_checksums:
            checksum = advanced(self.seed, sequence.to_bytes(4, "big") + block)
            if checksum & (_ALL if self.features & _CSUM_V3 else 0xFFFF) != tag.checksum:
                raise self._damaged(f"the checksum of what it has for block {tag.block} is wrong")
        # What begins like a block of the journal itself has zeros there instead.
        return _MAGIC + block[len(_MAGIC) :] if tag.flags & _ESCAPED else block

    def _refuse_fast_commits(self, sequence: int) -> None:
        """Changes after the last transaction that are kept in brief are not understood."""
        if not self.features & _FAST or self.end + 1 >= len(self.blocks):
            return
        tag, _, _, its_sequence = _FAST_HEAD.unpack_from(self._block(self.end + 1))
        if tag == _FAST_HEAD_TAG and its_sequence == sequence:
            raise self.volume.broken(
                "its journal ends with fast commits (feature fast_commit), and is not replayed",
                "run e2fsck on it, or mount and unmount it, then use it again",
            )

    def _damaged(self, why: str) -> DockyardError:
        return self.volume.broken(f"its journal is damaged: {why}", FSCK)
