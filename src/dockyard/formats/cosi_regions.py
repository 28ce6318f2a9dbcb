"""The regions of a disk that a COSI file has: the first partition table, and every partition."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from dockyard.disk import gpt
from dockyard.errors import DockyardError, Problem
from dockyard.host.files import data_ranges
from dockyard.host.stopping import Stopped

_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Region:
    """Bytes of a disk. number: of the partition; None for the table."""

    start: int
    size: int
    number: int | None = None

    @property
    def name(self) -> str:
        return "gpt" if self.number is None else str(self.number)


def regions(disk: Path, size: int) -> tuple[gpt.Table, list[Region]]:
    """The partition table of a raw disk, and the regions in the order of the disk.

    Raises DockyardError for a disk without a sound first table, and for partitions that are not
    apart or not on the disk.
    """
    with disk.open("rb") as file:
        table, end = gpt.read_first(file, size)
    found = [Region(0, end)]
    for entry in sorted(table.entries, key=lambda each: each.start):
        before = found[-1]
        if entry.size <= 0 or entry.start + entry.size > size:
            raise _refused(entry, "it is not on the disk")
        if entry.start < before.start + before.size:
            raise _refused(entry, f"it begins within {_named(before)}")
        found.append(Region(entry.start, entry.size, entry.number))
    return table, found


def _named(region: Region) -> str:
    number = region.number
    return "the partition table" if number is None else f"partition {number}"


def _refused(entry: gpt.TableEntry, why: str) -> DockyardError:
    return DockyardError(
        Problem(
            "formats.cosi-partition",
            f"partition {entry.number} cannot be put into a COSI file",
            why=why,
            fix="lay the disk out so that each partition has a place of its own",
        )
    )


def data_outside(disk: Path, size: int) -> int:
    """How many bytes of a disk are not zero and in no region, nor in the second partition table."""
    table, found = regions(disk, size)
    places = [(each.start, each.start + each.size) for each in found]
    places.append((size - gpt.TAIL_SECTORS * gpt.SECTOR, size))
    assert table.size == size
    at, count = 0, 0
    with disk.open("rb", buffering=0) as file:
        for start, end in (*places, (size, size)):
            count += _used(file.fileno(), at, start)
            at = max(at, end)
    return count


def _used(descriptor: int, start: int, end: int) -> int:
    count = 0
    for first, last in data_ranges(descriptor, end, start):
        for at in range(first, last, _PIECE):
            piece = os.pread(descriptor, min(_PIECE, last - at), at)
            count += len(piece) - piece.count(0)
    return count


@contextmanager
def piped(disk: Path, region: Region) -> Iterator[IO[bytes]]:
    """A region of a disk as an open pipe, fed by a thread as it is read.

    What stops the feeder is raised at the end of the block. A reader that stops early is no
    failure of the feeder.
    """
    read_end, write_end = os.pipe()
    failed: list[Exception] = []

    def feed() -> None:
        try:
            with os.fdopen(write_end, "wb", buffering=0) as out, disk.open("rb") as file:
                _pump(file.fileno(), out.fileno(), region)
        except (BrokenPipeError, Stopped):
            pass  # the reader learns of it by itself
        except Exception as error:
            failed.append(error)

    feeder = threading.Thread(target=feed, name="region")
    feeder.start()
    try:
        with os.fdopen(read_end, "rb") as out:
            yield out
    finally:
        feeder.join()
    if failed:
        raise failed[0]


def _pump(source: int, target: int, region: Region) -> None:
    at, end = region.start, region.start + region.size
    while at < end:
        # Holes read as zeros, and quickly.
        piece = os.pread(source, min(_PIECE, end - at), at)
        if not piece:
            raise OSError("the disk became shorter while it was read")
        view = memoryview(piece)
        while view:
            view = view[os.write(target, view) :]
        at += len(piece)
