"""The terminal of this process: how large it is, and that it has changed."""

from __future__ import annotations

import os
import signal
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


class Window:
    """The size of a terminal, as rows and columns."""

    def __init__(self) -> None:
        self._changed = False

    @property
    def size(self) -> tuple[int, int]:
        try:
            columns, rows = os.get_terminal_size(sys.stdout.fileno())
        except (OSError, ValueError):
            return 24, 80
        return rows, columns

    def has_changed(self) -> bool:
        """Whether it has changed since this was asked last."""
        changed, self._changed = self._changed, False
        return changed

    def note(self, number: int, frame: FrameType | None) -> None:
        """Hear SIGWINCH."""
        self._changed = True


@contextmanager
def watched_window() -> Iterator[Window]:
    """The terminal of this process, whose changes are heard for as long as a block runs."""
    window = Window()
    before: Any = signal.signal(signal.SIGWINCH, window.note)
    try:
        yield window
    finally:
        signal.signal(signal.SIGWINCH, before)


def terminal_kind() -> str:
    """What kind of terminal it is, as programs on it ask by TERM."""
    return os.environ.get("TERM") or "dumb"


@contextmanager
def settings_kept() -> Iterator[None]:
    """Give the terminal its settings back, whatever a program does to it in a block, and take its
    foreground again: a shell in a process namespace of its own cannot name who had it before.
    """
    try:
        descriptor = sys.stdin.fileno()
        before, group = termios.tcgetattr(descriptor), os.tcgetpgrp(descriptor)
    except (OSError, ValueError, termios.error):
        yield
        return
    try:
        yield
    finally:
        # From the background either call would stop this process.
        heard: Any = signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        try:
            if group == os.getpgrp():
                os.tcsetpgrp(descriptor, group)
            termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
        except (OSError, termios.error):  # the terminal is gone
            pass
        finally:
            signal.signal(signal.SIGTTOU, heard)
