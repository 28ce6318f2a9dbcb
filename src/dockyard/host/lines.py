"""Reads what a program prints while it runs: every line is told, and what fits is kept.

A program can print without end, faster than anybody could read. Of more than `_MOST` bytes the
beginning and the end are kept, which is where programs say what they do and why they fail. What
fails in whoever is told waits for `end`: the program prints on, into a pipe that is read.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

_MOST = 64 << 20
_LONGEST_LINE = 1 << 16
_BLOCK = 1 << 16


class Lines:
    """A pipe for a program's output, and the thread that reads it.

    Give `descriptor` to the program, call `begin` when it has started, and `end` when it has ended.
    told: is given each line; of one of more than 64 KiB the pieces.
    """

    def __init__(self, told: Callable[[str], None] | None = None, most: int = _MOST) -> None:
        self._read, self.descriptor = os.pipe()
        self._told = told
        self._half = most // 2
        self._head, self._tail = bytearray(), bytearray()
        self._dropped = 0
        self._line = b""
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._listen, name="lines", daemon=True)

    def begin(self) -> None:
        """Read from now on; only the program holds the pipe's other end."""
        os.close(self.descriptor)
        self._thread.start()

    def end(self) -> bytes:
        """What the program printed, when it and all that it started have ended. Raises what `told`
        raised.
        """
        self._thread.join()
        if self._failure:
            raise self._failure
        tail = self._tail[-self._half :]
        dropped = self._dropped + len(self._tail) - len(tail)
        left_out = b"\n... (%d bytes left out)\n" % dropped if dropped else b""
        return b"".join([self._head, left_out, tail])

    def abandon(self) -> None:
        """Close the pipe of a program that did not start."""
        os.close(self.descriptor)
        os.close(self._read)

    def _listen(self) -> None:
        try:
            while block := os.read(self._read, _BLOCK):
                self._keep(block)
                self._split(block)
            if self._line:
                self._tell(self._line)
        finally:
            os.close(self._read)

    def _keep(self, block: bytes) -> None:
        room = self._half - len(self._head)
        self._head += block[:room]
        self._tail += block[room:]
        if len(self._tail) > 2 * self._half:
            self._dropped += len(self._tail) - self._half
            del self._tail[: -self._half]

    def _split(self, block: bytes) -> None:
        if self._told is None:
            return
        *lines, self._line = (self._line + block).split(b"\n")
        if len(self._line) > _LONGEST_LINE:
            lines.append(self._line)
            self._line = b""
        for line in lines:
            self._tell(line)

    def _tell(self, line: bytes) -> None:
        if self._told is None or self._failure is not None:
            return
        try:
            self._told(line.decode(errors="replace"))
        except BaseException as error:
            self._failure = error
