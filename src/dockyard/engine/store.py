"""The store: results of steps, addressed by what shaped them.

    <store>/
      results/<key>/       a whole result; it appears by one rename and is never changed afterwards;
                           .step.json in it says what it was made of, and .seal what it holds (see
                           host.seal): what is damaged is found, and made again
      answers/<step id>    the key of the result that the step has; its time is that of the last use
                           (what is below a result is used with it, and need not be looked for)
      work/<key>/          what a running step fills
      locks/<key>          held (flock) by the process that runs the step
      records/<name>.json  small records, such as the steps of an image's last plan, for the reasons
      blobs/ repositories/ …   belong to the rooms that fill them

A key is the hash of a step and of the content of its inputs, a step's id that of a step and of the
ids of its inputs: steps of many ids may have one result (see `Step.key`).

The store is open to its owner alone (0700): the trees in it have set-id programs and secrets of
images, which are nobody else's to run or to read.

Rules: a process that runs a step holds its lock, so a work directory that is found under a lock
just taken was left by a process that died, and is removed. A result exists or it does not:
rename(2) publishes it. This holds against processes that are killed at any instant; after a loss
of power, a file system that reorders writes may keep a name without its data.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from dockyard.engine.step import Step
from dockyard.errors import DockyardError, Problem
from dockyard.host import files, removal, seal, stopping
from dockyard.host.private import private_directory
from dockyard.host.storage import store_trouble_told

FACTS = ".step.json"
_KEY = re.compile("[a-z0-9-]+")


class Made(NamedTuple):
    """A result that is there: its name, and the digest of its content."""

    key: str
    content: str


def default_root(environment: Mapping[str, str] = os.environ) -> Path:
    """Where the store is unless a user says otherwise: $DOCKYARD_STORE, or below the cache
    directory.
    """
    if chosen := environment.get("DOCKYARD_STORE"):
        return Path(chosen).absolute()
    cache = environment.get("XDG_CACHE_HOME") or str(Path(environment.get("HOME", "/")) / ".cache")
    return Path(cache).absolute() / "dockyard"


class Store:
    """A store at a directory, which is made when it is not there. Safe for many processes and
    threads.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        with store_trouble_told(self.root):
            private_directory(self.root)
            for name in ("results", "answers", "work", "locks", "records"):
                (self.root / name).mkdir(parents=True, exist_ok=True)

    def place(self, key: str) -> Path:
        """Where the result of this name is, or would be."""
        return self.root / "results" / key

    def answer(self, step: Step) -> str | None:
        """The name of the result that a step has, or None."""
        try:
            key = Path(f"{self.root}/answers/{step.id}").read_text()
        except OSError:
            return None
        return key if _KEY.fullmatch(key) and Path(f"{self.root}/results/{key}").is_dir() else None

    def path(self, step: Step) -> Path:
        """Where the result of a step is. Raises KeyError when it has none."""
        key = self.answer(step)
        if key is None:
            raise KeyError(step.id)
        return self.place(key)

    def has(self, step: Step) -> bool:
        """Whether the result of a step is there."""
        return self.answer(step) is not None

    def content(self, key: str) -> str | None:
        """The digest of what a result holds; None where it is not there."""
        return seal.content(self.place(key))

    def needed_by(self, step: Step) -> dict[str, Made]:
        """The results of the steps that a step needs, by the steps' names. Raises DockyardError
        where one is not there.
        """
        found = {}
        for each in step.needs:
            key = self.answer(each)
            content = self.content(key) if key else None
            if key is None or content is None:
                raise DockyardError(self.gone(each))
            found[each.name] = Made(key, content)
        return found

    def gone(self, step: Step) -> Problem:
        """What is wrong when a result that was there is needed and is not there."""
        return Problem(
            "host.store-gone",
            f"the result of `{step.title}` was removed from the store while it was in use",
            str(self.root),
            fix="run the command again: what is missing is made again",
        )

    def facts(self, key: str) -> dict[str, Any]:
        """What a result says of itself; empty where it is not there, or says nothing."""
        return _loaded(self.place(key) / FACTS)

    def note_answer(self, step: Step, key: str) -> None:
        """Note that a result is a step's, and is used now."""
        self.note_key(step.id, key)

    def note_key(self, step: str, key: str) -> None:
        """The same by the id of a step."""
        place = self.root / "answers" / step
        with suppress(OSError):
            if place.read_text() == key:
                os.utime(place)
                return
        files.write_atomic(place, key.encode(), outlasts_power=False)

    def lend(self, step: Step, other: Store) -> None:
        """Use the result that a step has in another store, which must outlive this one."""
        key = other.answer(step)
        if key is not None:
            self.place(key).symlink_to(other.place(key))
            self.note_answer(step, key)

    def exclusive(
        self, name: str, waiting: Callable[[], None] | None = None
    ) -> AbstractContextManager[None]:
        """Hold the lock of this name while a block runs; waits for other holders. waiting: as in
        `files.exclusive`.
        """
        return files.exclusive(self.root / "locks" / name, waiting)

    @contextmanager
    def claim(self, key: str, waiting: Callable[[], None] | None = None) -> Iterator[Path | None]:
        """Take the lock of a result and give an empty work directory; None when it came meanwhile.

        waiting: called once when another process holds the lock. The caller fills the directory and
        calls `publish` inside the block. What is left unpublished is removed.
        """
        with self.exclusive(key, waiting):
            if self.place(key).is_dir():
                yield None
                return
            work = self.root / "work" / key
            removal.discard_tree(work)
            work.mkdir()
            try:
                yield work
            finally:
                with stopping.clearing():
                    removal.discard_tree(work)

    @contextmanager
    def scratch(self, name: str) -> Iterator[Path]:
        """An empty directory in work/ for the length of the block, which no other process sweeps
        away. name: of a file, and the same for what only one process is to do at a time.
        """
        with self.exclusive(name):
            work = self.root / "work" / name
            removal.discard_tree(work)
            work.mkdir()
            try:
                yield work
            finally:
                with stopping.clearing():
                    removal.discard_tree(work)

    def publish(
        self, key: str, facts: Mapping[str, Any], known: Mapping[str, str] | None = None
    ) -> None:
        """Make the filled work directory of a claimed result the result. facts: what it says of
        itself. known: see seal.write.
        """
        work = self.root / "work" / key
        (work / FACTS).write_text(json.dumps(facts, sort_keys=True))
        for entry in os.scandir(work):
            if entry.is_file(follow_symlinks=False):
                os.utime(entry.path, ns=(0, 0))  # when it was written is not what it holds
        seal.write(work, known, beside=(FACTS,))
        work.rename(self.place(key))

    def untouched(self, key: str) -> bool:
        """Whether nobody wrote to a result since it was published; a quick look."""
        return seal.untouched(self.place(key))

    def damage(self, key: str, *, thorough: bool = False) -> str:
        """What is wrong with a result, in words; empty when nothing is. thorough: read all of it.
        Needs the namespace.
        """
        return seal.damage(self.place(key), thorough=thorough)

    def result_keys(self) -> list[str]:
        """The names of all results, in order."""
        return sorted(entry.name for entry in os.scandir(self.root / "results")
                      if _KEY.fullmatch(entry.name))  # fmt: skip

    def answers(self) -> dict[str, tuple[str, float]]:
        """For each id of a step the key that it is answered by, whether or not there is such a
        result, and the time of the last use, in seconds since 1970.
        """
        found = {}
        for entry in os.scandir(self.root / "answers"):
            with suppress(OSError):
                found[entry.name] = (Path(entry.path).read_text(), entry.stat().st_mtime)
        return found

    def take_away(self, key: str) -> Path | None:
        """Take a result away from its name, to be removed; gives where it is then. None where it is
        not there, or is being made or removed.
        """
        return None if files.held(self.root / "locks" / key) else self._taken(key)

    def _taken(self, key: str) -> Path | None:
        gone = self.root / "work" / f".{key}.{os.getpid()}.gone"
        removal.remove_tree(gone)
        try:
            self.place(key).rename(gone)
        except FileNotFoundError:
            return None
        except PermissionError as error:
            raise DockyardError(removal.cannot_remove(self.place(key), error)) from error
        return gone

    def holds(self, key: str, file: str) -> bool:
        """Whether a file of a result has the content that was published; reads all of it."""
        return seal.holds(self.place(key), file)

    def distrust(self, step: Step) -> None:
        """Let the next `damage` of a step's result read all of it."""
        if self.has(step):
            seal.distrust(self.path(step))

    def discard(self, key: str) -> None:
        """Remove a result, so that it is made again. Raises DockyardError (`host.cannot-remove`)
        where the system refuses that; most often it has left its place all the same.
        """
        with self.exclusive(key):
            if gone := self._taken(key):
                removal.remove_tree(gone)

    def has_work(self) -> bool:
        """Whether something is in work/: of a living process, or left by a dead one."""
        return any((self.root / "work").iterdir())

    def sweep(self) -> None:
        """Remove what dead processes left in work/."""
        for left in sorted((self.root / "work").iterdir()):
            if left.name.startswith("."):
                removal.remove_tree(left)
            elif not files.held(self.root / "locks" / left.name):
                removal.discard_tree(left)

    def record(self, name: str) -> dict[str, Any]:
        """What `keep_record` last kept under a name; empty when there is nothing, or it is
        damaged.
        """
        return _loaded(self._record_path(name))

    def keep_record(self, name: str, record: Mapping[str, Any]) -> None:
        """Keep a small JSON record under a name, in place of the one before."""
        text = json.dumps(record, sort_keys=True)
        path = self._record_path(name)
        files.remove_parts(path)
        files.write_atomic(path, text.encode())

    def forget_record(self, name: str) -> None:
        """Remove what `keep_record` kept under a name."""
        self._record_path(name).unlink(missing_ok=True)

    def _record_path(self, name: str) -> Path:
        return self.root / "records" / f"{name.replace('/', '_')}.json"


def _loaded(path: Path) -> dict[str, Any]:
    try:
        loaded = json.loads(path.read_text())
    except (OSError, ValueError, RecursionError):
        return {}
    return loaded if isinstance(loaded, dict) else {}
