"""The image of a file system: how a new one begins, and one that is mapped into memory to be read.

Nothing of what an image says is believed: what is past its end, is impossibly large or makes
a reader stumble is the error of that image.
"""

from __future__ import annotations

import mmap
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from dockyard.errors import DockyardError, Problem

_MOST_HOLES = 64


class MappedImage:
    """An image, mapped into memory until `close`. Each kind of file system derives its own."""

    kind: ClassVar[str]

    def __init__(self, image: Path) -> None:
        self.image = image
        with open(image, "rb") as opened:
            try:
                self.data = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
            except ValueError as error:
                raise self.broken("it is empty") from error

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

    def is_plausible(self, size: int, is_file: bool) -> bool:
        """Whether something in the image may be so large: names and links are all stored, the data
        of a file may be holes for the most part, within reason.
        """
        return size <= len(self.data) * (_MOST_HOLES if is_file else 1)


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
def reading(kind: str, image: Path) -> Iterator[None]:
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
        raise _broken(kind, image, f"its structures are damaged ({error})") from error


def create_sparse(out: Path, size: int) -> None:
    """A new image of `size` bytes that is all holes, in place of one that is there."""
    out.unlink(missing_ok=True)
    with open(out, "wb") as opened:
        opened.truncate(size)
