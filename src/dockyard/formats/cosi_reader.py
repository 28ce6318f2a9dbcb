"""Reads a COSI file, or a baremetal-image, which is one, back into the raw disk.

Nothing of the file is believed: its parts must be where and as large as it says, their digests
must be right, and each must lie in the partition that it is of; else it is refused, before anything
of it is used. Behind the end of the tar file anything may follow.
"""

from __future__ import annotations

import hashlib
import io
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from dockyard.disk import gpt
from dockyard.errors import DockyardError, Problem
from dockyard.formats import ustar
from dockyard.formats.cosi_claims import Claimed, Part, claims
from dockyard.formats.cosi_metadata import METADATA
from dockyard.host import stopping

if TYPE_CHECKING or sys.version_info < (3, 14):
    from backports import zstd
else:
    from compression import zstd

_MOST_METADATA = 64 << 20
_PIECE = 1 << 20
_SKIPPABLE = range(0x184D2A50, 0x184D2A60)
_LEAST_WINDOW, _MOST_WINDOW = 27, 31


def read_disk(image: Path, out: Path) -> int:
    """Make the raw disk of a COSI file, with holes for zeros, and give its size in bytes.

    Raises DockyardError for a file that is not sound, is of a revision without the partition table
    (before 1.2), or whose disk cannot be written.
    """
    try:
        with image.open("rb") as file:
            return _read(file, image.stat().st_size, out)
    except (ValueError, zstd.ZstdError, RecursionError, MemoryError) as error:
        raise _refused(image, str(error) or type(error).__name__) from error
    except OverflowError as error:
        raise _refused(image, "a number in it is too large") from error
    except OSError as error:
        raise _refused(image, f"its disk cannot be written: {error.strerror}") from error


def _refused(image: Path, why: str) -> DockyardError:
    return DockyardError(
        Problem(
            "image.not-a-disk",
            "the image cannot be used as a disk",
            str(image),
            f"it is a COSI file that is not sound: {why}",
            "fetch or make the image again",
        )
    )


def _read(file: IO[bytes], size: int, out: Path) -> int:
    there = {each.name: each for each in ustar.members(file, size)}
    if METADATA not in there:
        raise ValueError(f"it has no {METADATA}")
    told = there[METADATA]
    if told.size > _MOST_METADATA:
        raise ValueError(f"{METADATA} has {told.size} bytes")
    file.seek(told.at)
    claimed = claims(file.read(told.size))
    window = min(max(claimed.window_log, _LEAST_WINDOW), _MOST_WINDOW)
    reader = _Parts(file, there, window)
    first = b"".join(reader.pieces(claimed.first))
    entries = _partitions(first, claimed)
    with out.open("wb") as disk:
        os.ftruncate(disk.fileno(), claimed.size)
        disk.write(first)
        for part in claimed.partitions:
            assert part.number is not None
            reader.put(part, disk, entries[part.number].start)
        at, copy = gpt.second_copy(first, claimed.size)
        disk.seek(at)
        disk.write(copy)
    return claimed.size


def _partitions(first: bytes, claimed: Claimed) -> Mapping[int, gpt.TableEntry]:
    """The partitions of the table, each with a part that fits it or none."""
    try:
        table, end = gpt.read_first(io.BytesIO(first), claimed.size)
    except DockyardError as error:
        raise ValueError(error.problems[0].what) from error
    if end != len(first):
        raise ValueError(f"the part of the partition table has {len(first)} bytes, not {end}")
    found = {entry.number: entry for entry in table.entries}
    done = end
    for entry in sorted(table.entries, key=lambda each: each.start):
        if entry.size <= 0 or entry.start < done or entry.start + entry.size > claimed.size:
            raise ValueError(f"partition {entry.number} is not on the disk, or not by itself")
        done = entry.start + entry.size
    for part in claimed.partitions:
        if part.number not in found:
            raise ValueError(f"the table has no partition {part.number}, and a part is of it")
        if part.size > found[part.number].size:
            raise ValueError(f"the part of partition {part.number} is larger than that")
    return found


@dataclass(frozen=True, slots=True)
class _Parts:
    """The compressed parts of a file."""

    file: IO[bytes]
    there: Mapping[str, ustar.Member]
    window_log: int

    def pieces(self, part: Part) -> Iterator[bytes]:
        """What a part holds, piece by piece; ValueError at the end where the digest is wrong."""
        member = self.there.get(part.path)
        if member is None:
            raise ValueError(f"it has no {part.path}")
        if member.size != part.stored:
            raise ValueError(f"{part.path} has {member.size} bytes, not {part.stored}")
        source = _Digested(self.file, member)
        left = part.size
        for piece in _decompressed(source, self.window_log):
            left -= len(piece)
            if left < 0:
                raise ValueError(f"{part.path} holds more than {part.size} bytes")
            yield piece
        if left:
            raise ValueError(f"{part.path} holds {part.size - left} bytes, not {part.size}")
        if source.digest() != part.sha384:
            raise ValueError(f"{part.path} does not have the SHA-384 that the metadata gives it")

    def put(self, part: Part, disk: IO[bytes], start: int) -> None:
        """Write what a part holds at a place of a disk; zeros are left out."""
        at = start
        for piece in self.pieces(part):
            if piece.count(0) != len(piece):
                disk.seek(at)
                disk.write(piece)
            at += len(piece)


class _Digested:
    """The content of a member, digested as it is read."""

    def __init__(self, file: IO[bytes], member: ustar.Member) -> None:
        self._file, self._at, self._left = file, member.at, member.size
        self._digest = hashlib.sha384()

    def read(self, count: int) -> bytes:
        """So many bytes, or what is left."""
        stopping.check()
        self._file.seek(self._at)
        data = self._file.read(min(count, self._left))
        self._at += len(data)
        self._left -= len(data)
        self._digest.update(data)
        return data

    def digest(self) -> str:
        """The SHA-384 of all that was read, in hex."""
        return self._digest.hexdigest()


def _decompressed(source: _Digested, window_log: int) -> Iterator[bytes]:
    """What the frames of a zstd file hold (RFC 8878), those left out that are to be skipped."""
    held = b""
    while True:
        held += source.read(8 - len(held)) if len(held) < 8 else b""
        if not held:
            return
        magic = int.from_bytes(held[:4], "little")
        if magic in _SKIPPABLE and len(held) >= 8:
            held = _skipped(source, held[8:], int.from_bytes(held[4:8], "little"))
            continue
        options = {int(zstd.DecompressionParameter.window_log_max): window_log}
        frame = zstd.ZstdDecompressor(options=options)
        while not frame.eof:
            if frame.needs_input and not held:
                held = source.read(_PIECE)
                if not held:
                    raise ValueError("a compressed part ends too early")
            piece = frame.decompress(held, _PIECE)
            held = b""
            if piece:
                yield piece
        held = frame.unused_data


def _skipped(source: _Digested, held: bytes, count: int) -> bytes:
    """What is left of `held` behind so many bytes to skip."""
    while count > len(held):
        count -= len(held)
        held = source.read(min(count, _PIECE))
        if not held:
            raise ValueError("a compressed part ends too early")
    return held[count:]
