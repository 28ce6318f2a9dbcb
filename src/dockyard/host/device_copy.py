"""Writes a raw disk to a block device, and reads it back.

What is zero in the disk becomes zero on the device without being sent to it, where the device or
its file system can do that. The beginning comes last: a device that was written in part has no
partition table, and nothing starts from it.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable, Iterator
from contextlib import suppress

from dockyard.host import kernel, stopping
from dockyard.host.files import data_ranges

PIECE = 1 << 20
_ZEROED_AT_ONCE = 256 << 20
_ZEROS = bytes(PIECE)
_WAYS = (
    kernel.FALLOC_PUNCH_HOLE | kernel.FALLOC_KEEP_SIZE,
    kernel.FALLOC_ZERO_RANGE | kernel.FALLOC_KEEP_SIZE,
)

Told = Callable[[int], object]


def copy_disk(source: int, target: int, size: int, told: Told) -> int:
    """Write the first `size` bytes of an open file to an open device, and wait until they are
    there. Gives how many of them are no zeros. told: hears how far it is. Raises OSError.
    """
    head = min(PIECE, size)
    _zero(target, 0, head, lambda _: None)
    os.fsync(target)
    done, written = head, 0
    for at, data in _pieces(source, size):
        if at < PIECE:
            continue
        _zero(target, done, at, told)
        _write(target, data, at)
        done = at + len(data)
        written += len(data)
        told(done)
    _zero(target, done, size, told)
    os.fsync(target)
    first = os.pread(source, head, 0)
    _write(target, first, 0)
    os.fsync(target)
    told(size)
    return written + len(first)


def first_difference(source: int, target: int, size: int, told: Told) -> int | None:
    """The place of the first piece in which a device differs from a file; None where they are the
    same. What the device gives is read from it, not from memory. Raises OSError.
    """
    reading = _past_memory(target)
    try:
        with mmap.mmap(-1, PIECE) as buffer:
            pieces = dict[int, bytes]()
            wanted = _pieces(source, size)
            for at in range(0, size, PIECE):
                stopping.check()
                if not pieces and (piece := next(wanted, None)):
                    pieces[piece[0]] = piece[1]
                length = min(PIECE, size - at)
                got = os.preadv(reading, [buffer], at)
                expected = pieces.pop(at, _ZEROS[:length])
                if got < length or buffer[:length] != expected:
                    return at
                told(at + length)
    finally:
        os.close(reading)
    return None


def zero(target: int, start: int, end: int) -> None:
    """Make a range of a device zero. Raises OSError."""
    _zero(target, start, end, lambda _: None)


def _pieces(source: int, size: int) -> Iterator[tuple[int, bytes]]:
    """Where each piece is that is not all zeros, and its bytes, in order."""
    done = 0
    for start, end in data_ranges(source, size):
        for at in range(max(start // PIECE * PIECE, done), end, PIECE):
            stopping.check()
            data = os.pread(source, min(PIECE, size - at), at)
            if len(data) < min(PIECE, size - at):
                raise OSError("the image became shorter while it was read")
            done = at + PIECE
            if data != _ZEROS[: len(data)]:
                yield at, data


def _write(target: int, data: bytes, at: int) -> None:
    left = memoryview(data)
    while left:
        done = os.pwrite(target, left, at)
        left, at = left[done:], at + done


def _zero(target: int, start: int, end: int, told: Told) -> None:
    while start < end:
        stopping.check()
        length = min(_ZEROED_AT_ONCE, end - start)
        if not _zeroed(target, start, length):
            length = min(PIECE, length)
            _write(target, _ZEROS[:length], start)
        start += length
        told(start)


def _zeroed(target: int, start: int, length: int) -> bool:
    for way in _WAYS:
        with suppress(OSError):
            kernel.allocate(target, way, start, length)
            return True
    return False


def _past_memory(target: int) -> int:
    """The device opened again, to read what it has itself."""
    name = f"/proc/self/fd/{target}"
    with suppress(OSError):
        descriptor = os.open(name, os.O_RDONLY | os.O_DIRECT | os.O_CLOEXEC)
        with mmap.mmap(-1, mmap.PAGESIZE) as probe:
            try:
                os.preadv(descriptor, [probe], 0)
                return descriptor
            except OSError:
                os.close(descriptor)
    # A file system without such reading: what it keeps in memory is given up, where it can be.
    os.posix_fadvise(target, 0, 0, os.POSIX_FADV_DONTNEED)
    return os.open(name, os.O_RDONLY | os.O_CLOEXEC)
