"""The store: results of steps, addressed by what shaped them.

    <store>/
      results/<step id>/   a whole result; it appears by one rename and is never changed afterwards;
                           .step.json in it keeps the step's identity, for whoever looks, and .seal
                           what it holds (see host.seal): what is damaged is found, and made again
      work/<step id>/      what a running step fills
      locks/<step id>      held (flock) by the process that runs the step
      records/<name>.json  small records, such as the steps of an image's last plan, for the reasons
      blobs/ tools/ repositories/ …   belong to the rooms that fill them

The store is open to its owner alone (0700): the trees in it have set-id programs and secrets of
images, which are nobody else's to run or to read.

Rules: whoever wants to run a step holds its lock, so a work directory that is found under a lock
just taken was left by a process that died, and is removed. A result exists or it does not:
rename(2) publishes it. This holds against processes that are killed at any instant; after a loss
of power, a file system that reorders writes may keep a name without its data.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

from dockyard.engine.plan import Step
from dockyard.host import files, removal, seal, stopping
from dockyard.host.private import private_directory
from dockyard.host.storage import store_trouble_told


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
            for name in ("results", "work", "locks", "records"):
                (self.root / name).mkdir(parents=True, exist_ok=True)

    def path(self, step: Step) -> Path:
        """Where the result of a step is, or would be."""
        return step.place or self.root / "results" / step.id

    def has(self, step: Step) -> bool:
        """Whether the result of a step is there."""
        return self.path(step).is_dir()

    def exclusive(
        self, name: str, waiting: Callable[[], None] | None = None
    ) -> AbstractContextManager[None]:
        """Hold the lock of this name while a block runs; waits for other holders. waiting: as in
        `files.exclusive`.
        """
        return files.exclusive(self.root / "locks" / name, waiting)

    @contextmanager
    def claim(self, step: Step, waiting: Callable[[], None] | None = None) -> Iterator[Path | None]:
        """Take a step's lock and give an empty work directory; None when the result came meanwhile.

        waiting: called once when another process holds the lock. The caller fills the directory and
        calls `publish` inside the block. What is left unpublished is removed.
        """
        with self.exclusive(step.id, waiting):
            if self.has(step):
                yield None
                return
            work = self.root / "work" / step.id
            removal.discard_tree(work)
            work.mkdir()
            try:
                yield work
            finally:
                with stopping.clearing():
                    removal.discard_tree(work)

    def publish(self, step: Step, known: Mapping[str, str] | None = None) -> None:
        """Make the filled work directory of a claimed step its result. known: see seal.write."""
        if step.place is not None:
            return
        work = self.root / "work" / step.id
        text = json.dumps(step.published_identity, indent=1, sort_keys=True)
        (work / ".step.json").write_text(text)
        seal.write(work, known)
        work.rename(self.path(step))

    def untouched(self, step: Step) -> bool:
        """Whether nobody wrote to a step's result since it was published; a quick look."""
        return step.place is not None or seal.untouched(self.path(step))

    def damage(self, step: Step) -> str:
        """What is wrong with a step's result, in words; empty when nothing is. Needs the
        namespace.
        """
        return "" if step.place is not None else seal.damage(self.path(step))

    def holds(self, step: Step, file: str) -> bool:
        """Whether a file of a step's result has the content that was published; reads all of it."""
        return seal.holds(self.path(step), file)

    def distrust(self, step: Step) -> None:
        """Let the next `damage` of a step's result read all of it."""
        if step.place is None:
            seal.distrust(self.path(step))

    def discard(self, step: Step) -> None:
        """Remove a step's result, so that it is made again."""
        with self.exclusive(step.id):
            gone = self.root / "work" / step.id
            removal.discard_tree(gone)
            with suppress(FileNotFoundError):
                self.path(step).rename(gone)
            removal.discard_tree(gone)

    def has_work(self) -> bool:
        """Whether something lies in work/: of a living process, or left by a dead one."""
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
        try:
            loaded = json.loads(self._record_path(name).read_text())
        except (OSError, ValueError):
            return {}
        return loaded if isinstance(loaded, dict) else {}

    def keep_record(self, name: str, record: Mapping[str, Any]) -> None:
        """Keep a small JSON record under a name, in place of the one before."""
        text = json.dumps(record, indent=1, sort_keys=True)
        path = self._record_path(name)
        files.remove_parts(path)
        files.write_atomic(path, text.encode())

    def _record_path(self, name: str) -> Path:
        return self.root / "records" / f"{name.replace('/', '_')}.json"
