"""The lock of a distribution: which upstream package each component is, by digest.

`distro.lock` lies beside distro.yaml. It pins exactly the declared components: what they depend on
beyond that is reported, never pulled in.
"""

from __future__ import annotations

from pathlib import Path

from dockyard.distro.load import LoadedDistro
from dockyard.errors import DockyardError, Problem
from dockyard.model.packages import Lock
from dockyard.packages import lockfile

LOCK_NAME = "distro.lock"


def lock_path(loaded: LoadedDistro) -> Path:
    return loaded.directory / LOCK_NAME


def read_lock(loaded: LoadedDistro) -> Lock:
    """The distribution's lock, checked against its declarations; an empty one for a distribution
    that imports nothing.

    Raises DockyardError: `distro.no-lock`, `distro.lock-stale`, and what lockfile raises.
    """
    path = lock_path(loaded)
    fix = f"run: dockyard distro lock {loaded.directory}"
    if loaded.distro.upstream is None:
        return Lock(loaded.distro.name)
    if not path.is_file():
        what = f"the distribution {loaded.distro.name} has no lock"
        raise DockyardError(Problem("distro.no-lock", what, str(path), fix=fix))
    lock = lockfile.load(path)
    pinned = {item.name for item in lock.packages}
    wanted = {name for _, name, _ in loaded.imports()}
    if pinned != wanted:
        new, old = sorted(wanted - pinned), sorted(pinned - wanted)
        why = f"not in the lock: {', '.join(new)}" if new else ""
        why += "; " if new and old else ""
        why += f"no longer declared: {', '.join(old)}" if old else ""
        what = f"the lock of {loaded.distro.name} does not fit its components"
        raise DockyardError(Problem("distro.lock-stale", what, str(path), why, fix))
    return lock
