"""The directory of a store: closed to everybody but its owner, and nothing else than a store."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from dockyard.errors import DockyardError, Problem

# What rooms keep in a store, and which of it no other directory is likely to have.
_NAMES = {
    *("answers", "blobs", "locks", "logs", "metadata", "records", "repositories", "results"),
    *("solv", "tools", "vm", "work"),
}
_MARKS = {"answers", "blobs", "locks", "records", "results"}
# What programs in the sandbox read of it; these, and what is below the first ones, are opened.
_READ_WHOLE = ("blobs", "repositories", "tools")
_READ = (*_READ_WHOLE, "results", "work")
_OF_FILE_SYSTEM = "lost+found"


def private_directory(path: Path) -> None:
    """Make the directory of a store that nobody but its owner may enter, and those above it. One
    that is there is closed to others. Raises OSError, and DockyardError for a directory that is
    somebody else's or holds something else: its modes are not ours to change.

    What is in it stays readable for all, since programs in the sandbox are somebody else: they are
    handed single files and directories of it. So the directories in it are opened, where an
    umask closed them.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    names = set(os.listdir(path)) - {_OF_FILE_SYSTEM}  # noqa: PTH208 (names are enough)
    found = path.stat()
    shared = found.st_mode & stat.S_ISVTX
    if not (names <= _NAMES or (names & _MARKS and not shared)):
        raise DockyardError(_no_store(path, names - _NAMES))
    mode = stat.S_IMODE(found.st_mode)
    if mode & 0o077:
        path.chmod(mode & 0o700)
    for name in sorted(names.intersection(_READ)):
        inner = path / name
        found = inner.lstat()
        if stat.S_ISDIR(found.st_mode) and found.st_mode & 0o055 != 0o055:
            _open_to_readers(inner, whole=name in _READ_WHOLE)


def _open_to_readers(directory: Path, *, whole: bool) -> None:
    for path in (directory, *(directory.rglob("*") if whole else ())):
        found = path.lstat().st_mode
        wanted = 0o055 if stat.S_ISDIR(found) else 0o044
        if not stat.S_ISLNK(found) and found & wanted != wanted:
            path.chmod(stat.S_IMODE(found) | wanted)


def _no_store(path: Path, others: set[str]) -> Problem:
    shown = ", ".join(sorted(others)[:3]) + (" and more" if len(others) > 3 else "")
    return Problem(
        "host.not-a-store",
        f"{path} is not a store",
        why=f"it has {shown}; a store is a directory of its own, which is closed to other users",
        fix=f"name a new or empty directory, such as {path / 'dockyard'}",
    )
