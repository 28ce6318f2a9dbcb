"""Reads what a program prints while it runs: every line is told, and all of it is kept.

What fails in whoever is told waits for `end`: the program prints on, into a pipe that is read.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable


class Lines:
    """A pipe for a program's output, and the thread that reads it.

    Give `descriptor` to the program, call `begin` when it has started, and `end` when it has ended.
    """

    def __init__(self, told: Callable[[str], None]) -> None:
        self._read, self.descriptor = os.pipe()
        self._told = told
        self._kept: list[bytes] = []
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._listen, name="lines", daemon=True)

    def begin(self) -> None:
        """Read from now on; only the program holds the pipe's other end."""
        os.close(self.descriptor)
        self._thread.start()

    def end(self) -> bytes:
        """All that the program printed, when it and all that it started have ended. Raises what
        `told` raised.
        """
        self._thread.join()
        if self._failure:
            raise self._failure
        return b"".join(self._kept)

    def abandon(self) -> None:
        """Close the pipe of a program that did not start."""
        os.close(self.descriptor)
        os.close(self._read)

    def _listen(self) -> None:
        with os.fdopen(self._read, "rb") as stream:
            for line in stream:
                self._kept.append(line)
                if self._failure is None:
                    self._tell(line.decode(errors="replace").rstrip("\n"))

    def _tell(self, line: str) -> None:
        try:
            self._told(line)
        except BaseException as error:
            self._failure = error
