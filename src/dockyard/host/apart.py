"""Does work in a child of this process: what the child enters, such as the namespace, its parent
does not. So a program that asks who its user is, as ssh(1) does, can be started afterwards.
"""

from __future__ import annotations

import ctypes
import os
import pickle
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, NoReturn, TypeVar

from dockyard.errors import DockyardError, Problem
from dockyard.host import stopping

_PR_SET_PDEATHSIG = 1

T = TypeVar("T")


def apart(work: Callable[[], T]) -> T:
    """The result of work, which is pickled, as are its errors. Must be called while this process
    has one thread. Raises what the work raises, and DockyardError where the child was killed.
    """
    child = _Child(work)
    result = child.told()
    child.wait()
    return child.result_of(result)


@contextmanager
def beside(work: Callable[[], T]) -> Iterator[Callable[[], T]]:
    """Let a child do work that changes nothing while the block runs: gives what waits for its
    result, as `apart` does. It is killed at the end of the block, and when this process ends. Must
    be called while this process has one thread.
    """
    parent = os.getpid()

    def dependent() -> T:
        depend(parent)
        return work()

    child = _Child(dependent)
    try:
        yield lambda: child.result_of(child.told())
    finally:
        os.kill(child.process, signal.SIGKILL)
        child.wait()


def depend(parent: int) -> None:
    """Tie this process, which has just begun, to the one that began it."""
    # Ctrl-C goes to the whole group: only the caller answers it, and ends the others.
    for number in stopping.SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    # A caller that is killed cannot end anyone: the kernel does.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


class _Child(Generic[T]):
    """A child that does work. process: its number."""

    def __init__(self, work: Callable[[], T]) -> None:
        reader, writer = os.pipe()
        self.process = os.fork()
        if self.process == 0:
            _work(work, reader, writer)
        os.close(writer)
        self._pipe = os.fdopen(reader, "rb")
        self._data: bytes | None = None

    def told(self) -> bytes:
        """What it tells at its end, which is waited for; nothing where it was killed."""
        if self._data is None:
            self._data = self._pipe.read()
        return self._data

    def result_of(self, data: bytes) -> T:
        """The result that is in what it told, or its error, which is raised."""
        if not data:
            what = "a part of the work ended without a result"
            raise DockyardError(Problem("host.child-ended", what, fix="run the command again"))
        well, result = pickle.loads(data)
        if not well:
            raise result
        made: T = result
        return made

    def wait(self) -> None:
        """Wait for its end."""
        self._pipe.close()
        os.waitpid(self.process, 0)


def _work(work: Callable[[], object], reader: int, writer: int) -> NoReturn:
    """What the child does."""
    status = 1
    try:
        os.close(reader)
        try:
            told: tuple[bool, object] = (True, work())
        except BaseException as error:
            told = (False, error)
        with os.fdopen(writer, "wb") as out:
            pickle.dump(told, out)
        status = 0
    finally:
        os._exit(status)
