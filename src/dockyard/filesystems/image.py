"""The image of a file system: how a new one begins, and one that is mapped into memory to be read.

Nothing of what an image says is believed: what is past its end, is impossibly large or makes
a reader stumble is the error of that image.
"""

from __future__ import annotations

import mmap
import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from dockyard.errors import DockyardError, Problem

_MOST_HOLES = 64
_MOST_SHARED = 1 << 30  # of a small image whose files are much alike
_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Region:
    """An image that is part of a file, such as a partition of a disk: `size` bytes from byte
    `start` on.
    """

    path: Path
    start: int
    size: int


Image = Path | Region
"""Where an image is: a file of its own, or part of one."""


class MappedImage:
    """An image, mapped into memory until `close`. Each kind of file system derives its own."""

    kind: ClassVar[str]

    def __init__(self, image: Image) -> None:
        self.image = path_of(image)
        self._source = image
        self._held = 0
        self.data = self._map(mmap.ACCESS_READ)

    def _map(self, access: int) -> mmap.mmap:
        with open(self.image, "rb") as opened:
            try:
                return _mapped(opened.fileno(), self._source, access)
            except ValueError as error:
                raise self.broken("it is empty, or past the end of the file") from error

    def make_writable(self) -> None:
        """Let the map be written to, which changes nothing of the image."""
        self.data.close()
        self.data = self._map(mmap.ACCESS_COPY)

    def close(self) -> None:
        self.data.close()

    def broken(self, why: str, fix: str = "") -> DockyardError:
        """The error of this image."""
        return _broken(self.kind, self.image, why, fix)

    def bytes_at(self, at: int, length: int, why: str = "something is past its end") -> bytes:
        """Bytes of the image, all of them or the error that says why not."""
        found = self.data[at : at + length]
        if len(found) != length:
            raise self.broken(why)
        return found

    def may_hold(self, size: int, is_file: bool) -> bool:
        """Whether something in the image may be so large: names and links are all stored, the data
        of a file may be holes for the most part, or shared, within reason. All files that were
        asked about have a limit together, too.
        """
        if not is_file:
            return size <= len(self.data)
        self._held += size
        most = len(self.data) * _MOST_HOLES
        return size <= most and self._held <= most + _MOST_SHARED


def path_of(image: Image) -> Path:
    """The file that an image is, or is part of."""
    return image if isinstance(image, Path) else image.path


def _mapped(descriptor: int, image: Image, access: int) -> mmap.mmap:
    if isinstance(image, Path):
        return mmap.mmap(descriptor, 0, access=access)
    if image.start % mmap.ALLOCATIONGRANULARITY == 0:
        return mmap.mmap(descriptor, image.size, access=access, offset=image.start)
    # Partitions begin at whole MiB, but for those of very old disks.
    if image.start + image.size > os.fstat(descriptor).st_size:
        raise ValueError("past the end of the file")
    copied = mmap.mmap(-1, image.size)
    while left := image.size - copied.tell():
        copied.write(os.pread(descriptor, min(left, _PIECE), image.start + copied.tell()))
    return copied


def _broken(kind: str, image: Path, why: str, fix: str = "") -> DockyardError:
    return DockyardError(
        Problem(
            code="filesystems.unreadable-image",
            what=f"the {kind} file system could not be read",
            where=str(image),
            why=why,
            fix=fix or "make or fetch the image again",
        )
    )


@contextmanager
def reading(kind: str, image: Image) -> Iterator[None]:
    """Turn what damaged structures make a reader stumble over into the error of the image."""
    try:
        yield
    except (
        struct.error,
        LookupError,
        ValueError,
        OverflowError,
        RecursionError,
        zlib.error,
    ) as error:
        raise _broken(kind, path_of(image), f"its structures are damaged ({error})") from error


def create_sparse(out: Path, size: int) -> None:
    """A new image of `size` bytes that is all holes, in place of one that is there."""
    out.unlink(missing_ok=True)
    with open(out, "wb") as opened:
        opened.truncate(size)
