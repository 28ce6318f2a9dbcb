"""Ends the work of this process when SIGINT (Ctrl-C) or SIGTERM asks for it, whoever sent it.

Python tells only the main thread of a signal, and programs learn of it only when it goes to the
whole group. So the answer is here: programs that any thread waits for are killed, the main thread
gets `Stopped`, and other threads get it from `check`, which whatever works for long calls often.
Where a thread does not come to that in time, the process leaves without it: what it leaves half
done is no result, and is swept by the next one. A second signal ends the process at once.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn

_PATIENCE = 2.0
"""Seconds that threads have to notice."""
_CLEARING = 15.0
"""Seconds that threads have that noticed, and remove what they began."""

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(BaseException):
    """A signal asked this process to stop. Not an Exception: it is to pass through everything but
    what clears up.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by signal {number}")
        self.number = number

    @property
    def status(self) -> int:
        """The exit status that says so to a shell."""
        return 128 + self.number


_asked = 0
_waited = 0.0
_farewell: Callable[[], None] | None = None
_running: dict[int, subprocess.Popen[bytes]] = {}
_clearing: dict[object, None] = {}
_cleared = False


def listen(farewell: Callable[[], None]) -> None:
    """Answer the signals from now on; call it in the main thread.

    farewell: says to the user that the process ends; `leave` calls it, once.
    """
    global _farewell
    _farewell = farewell

    def answer(number: int, frame: FrameType | None) -> None:
        global _asked
        if _asked:
            leave(128 + number)
        _asked = number
        signal.setitimer(signal.ITIMER_REAL, _PATIENCE)
        for process in list(_running.values()):
            process.kill()
        raise Stopped(number)

    def lose_patience(number: int, frame: FrameType | None) -> None:
        global _waited, _cleared
        _waited += _PATIENCE
        if (_clearing or _cleared) and _waited < _CLEARING:
            _cleared = False
            signal.setitimer(signal.ITIMER_REAL, _PATIENCE)
            return
        leave(128 + _asked)

    signal.signal(signal.SIGALRM, lose_patience)
    for each in SIGNALS:
        signal.signal(each, answer)


def leave(status: int) -> NoReturn:
    """End the process, whatever its threads do, and say so unless that was said."""
    global _farewell
    say, _farewell = _farewell, None
    if say:
        say()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(status)


def check() -> None:
    """Raise Stopped when this process is to stop. Costs next to nothing: call it in every loop
    that may take long.
    """
    if _asked:
        raise Stopped(_asked)


def pause(seconds: float) -> None:
    """Do nothing for a while, and raise Stopped when this process is to stop."""
    time.sleep(seconds)
    check()


@contextmanager
def killable(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Kill a program when this process is to stop, while the block waits for it. Raises Stopped at
    the block's end then, whatever the program made of its end.
    """
    _running[process.pid] = process
    try:
        if _asked:
            process.kill()
        yield
    finally:
        del _running[process.pid]
        check()


@contextmanager
def clearing() -> Iterator[None]:
    """A block that removes what was begun, for which a process that is to stop waits longer."""
    global _cleared
    token = object()
    _clearing[token] = None
    try:
        yield
    finally:
        del _clearing[token]
        _cleared = bool(_asked)
