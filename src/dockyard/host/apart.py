"""Does work in a child of this process: what the child enters, such as the namespace, its parent
does not. So a program that asks who its user is, as ssh(1) does, can be started afterwards.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from typing import TypeVar

from dockyard.errors import DockyardError, Problem

T = TypeVar("T")


def apart(work: Callable[[], T]) -> T:
    """The result of work, which is pickled, as are its errors. Must be called while this process
    has one thread. Raises what the work raises, and DockyardError where the child was killed.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        _work(work, reader, writer)
    os.close(writer)
    with os.fdopen(reader, "rb") as source:
        data = source.read()
    os.waitpid(child, 0)
    if not data:
        what = "a part of the work ended without a result"
        raise DockyardError(Problem("host.child-ended", what, fix="run the command again"))
    well, result = pickle.loads(data)
    if not well:
        raise result
    made: T = result
    return made


def _work(work: Callable[[], object], reader: int, writer: int) -> None:
    """What the child does; it does not return."""
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
