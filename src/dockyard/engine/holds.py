"""Says which results running processes use, so that nothing that removes results takes them.

    <store>/locks/uses-<pid>-<n>   held (flock) while a process uses results: their keys, and the
                                   ids of steps whose results it uses or makes, as a JSON list
    <store>/locks/.uses-<pid>-<n>  one of those before it is held and has its text
    <store>/locks/gate             held by many while they plan, by one who chooses what goes

Who plans holds the gate until it has said what it uses; so whoever holds it alone sees all that
is used, and waits for no build, and no build for longer than the choice takes.
"""

from __future__ import annotations

import atexit
import itertools
import json
import os
from collections.abc import Iterable
from contextlib import AbstractContextManager, ExitStack, suppress
from pathlib import Path

from dockyard.engine.plan import Plan
from dockyard.engine.store import Store
from dockyard.host import files

_GATE = "gate"
_PREFIX = "uses-"
_numbers = itertools.count()


class Hold:
    """A context manager for whoever plans and then uses results: while it is open, what was given
    to `keep` is not removed. Until then, nothing is.
    """

    def __init__(self, store: Store) -> None:
        self._locks = store.root / "locks"
        self._gate = ExitStack()
        self._file: Path | None = None
        self._descriptor = -1

    def __enter__(self) -> Hold:
        self._gate.enter_context(files.shared(self._locks / _GATE))
        return self

    def keep(self, plan: Plan, *more: str) -> None:
        """Say what is used: the results of a plan, those that it makes among them, and more, by
        their keys or the ids of steps.
        """
        names = {name for each in plan.decisions for name in (each.step.id, each.key) if name}
        self.keep_names([*names, *more])

    def keep_names(self, names: Iterable[str]) -> None:
        """The same by keys and ids of steps."""
        text = json.dumps(sorted(names)).encode()
        while self._file is None:
            self._file = self._new(text)
        os.pwrite(self._descriptor, text, 0)
        os.ftruncate(self._descriptor, len(text))
        self._gate.close()

    def _new(self, text: bytes) -> Path | None:
        """Make the file, which nobody sees before it is held; None where its name is taken: by a
        process that died, or by one of another container.
        """
        name = f"{_PREFIX}{os.getpid()}-{next(_numbers)}"
        begun, path = self._locks / f".{name}", self._locks / name
        try:
            descriptor = os.open(begun, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        except FileExistsError:
            return None
        try:
            files.take_lock(descriptor)
            os.pwrite(descriptor, text, 0)
            path.hardlink_to(begun)
        except FileExistsError:
            os.close(descriptor)
            return None
        finally:
            begun.unlink(missing_ok=True)
        self._descriptor = descriptor
        return path

    def __exit__(self, *_: object) -> None:
        self._gate.close()
        if self._file is not None:
            self._file.unlink(missing_ok=True)
            os.close(self._descriptor)
            self._file = None


_until_the_end: list[Hold] = []


def hold_until_the_end(store: Store, *names: str) -> None:
    """Keep results, such as trees of programs, for as long as this process lives. names: their
    keys, or ids of steps.
    """
    hold = Hold(store).__enter__()
    hold.keep_names(names)
    if not _until_the_end:
        atexit.register(_release_all, os.getpid())
    _until_the_end.append(hold)


def _release_all(process: int) -> None:
    if process == os.getpid():  # and no fork of it
        for hold in _until_the_end:
            with suppress(OSError):  # the store may be gone by now
                hold.__exit__()


def settling(store: Store) -> AbstractContextManager[None]:
    """For whoever makes a result, or finds one, and notes which step it answers: nobody chooses
    what is removed during the block, for until that is noted nothing says that it is used.
    """
    return files.shared(store.root / "locks" / _GATE)


def choosing(store: Store) -> AbstractContextManager[None]:
    """For whoever chooses what is removed: nobody begins to use a result during the block."""
    return files.exclusive(store.root / "locks" / _GATE)


def used(store: Store) -> frozenset[str]:
    """The keys and ids of steps that living processes use now."""
    found: set[str] = set()
    for path in _files(store):
        if files.held(path):
            with suppress(FileNotFoundError, ValueError):  # it ended or began just now
                found.update(json.loads(path.read_text()))
    return frozenset(found)


def sweep(store: Store) -> None:
    """Remove what processes that died left of their work, and what they used."""
    store.sweep()
    for path in _files(store):
        files.remove_lock(path)


def forget_dead(store: Store) -> None:
    """Remove what processes left that died as they began to use something; for whoever chooses."""
    for path in (store.root / "locks").glob(f".{_PREFIX}*"):
        files.remove_lock(path)


def _files(store: Store) -> list[Path]:
    return sorted((store.root / "locks").glob(f"{_PREFIX}*"))
