"""Data that come in pieces: as a file that is read from its beginning, their digest, holes."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Iterator
from typing import BinaryIO, cast

PIECE = 1 << 20
_ZEROS = bytes(PIECE)


class _Pieces(io.RawIOBase):
    def __init__(self, source: Iterator[bytes]) -> None:
        super().__init__()
        self._source = source
        self._left = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        if size is None or size < 0:
            found, self._left = self._left + b"".join(self._source), b""
            return found
        if not self._left:
            self._left = next(self._source, b"")
            if len(self._left) == size:  # as most do: no copy is made
                found, self._left = self._left, b""
                return found
        parts, wanted = [self._left], size - len(self._left)
        while wanted > 0 and (piece := next(self._source, None)) is not None:
            parts.append(piece)
            wanted -= len(piece)
        found = b"".join(parts)
        found, self._left = found[:size], found[size:]
        return found


def opened(source: Iterator[bytes]) -> BinaryIO:
    """The pieces of a source, one after the other, as an open file."""
    return cast(BinaryIO, _Pieces(source))


def zeros(count: int) -> Iterator[bytes]:
    """The pieces of a hole; none where the count is not above zero."""
    while count > 0:
        yield _ZEROS if count >= PIECE else bytes(count)
        count -= PIECE


def digest(source: Iterable[bytes | memoryview]) -> str:
    """The SHA-256 of all pieces of a source, in hex digits."""
    made = hashlib.sha256()
    for piece in source:
        made.update(piece)
    return made.hexdigest()
