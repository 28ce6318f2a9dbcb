"""Keeps the names of one file together in a layer, as they are in a tree on one file system.

An overlay copies up a name that is written to, and leaves the file's other names with what was
there before. Its index would keep them together, but needs a capability that no namespace has. And
what is left in the upper directory does not tell a name that was written to, which all names show
on a machine, from one that was replaced by a new file, which parts them. So the names of a file are
brought up together, as one file, before anything else happens in the layer; the kernel does the
rest. That is done only for files of which something turned out to touch a name: the layer is then
made again.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path

from dockyard.archive import Archive, Kind

Names = tuple[bytes, ...]


def linked_names(archive: Archive) -> list[Names]:
    """The names of every regular file that has several, the first of each in canonical order."""
    groups: dict[bytes, list[bytes]] = {}
    for entry in archive:
        if entry.kind is Kind.HARDLINK:
            groups.setdefault(entry.target, [entry.target]).append(entry.path)
    return [
        tuple(names)
        for first, names in groups.items()
        if archive.entries[archive.positions[first]].kind is Kind.FILE
    ]


def touched(groups: Iterable[Names], upper: Path, at: Path) -> set[Names]:
    """The files of which the upper directory has something of a name, a mark that it was removed
    among others, but for those of which no name is left. at: where the overlay is mounted.
    """
    above, root = os.fsencode(upper), os.fsencode(at)
    return {
        names
        for names in groups
        if any(os.path.lexists(above + b"/" + name) for name in names)
        and any(os.path.lexists(root + b"/" + name) for name in names)
    }


def bring_up(groups: Iterable[Names], at: Path) -> None:
    """Bring files with all their names into the upper directory of the overlay mounted there."""
    root = os.fsencode(at)
    for first, *others in sorted(groups):
        origin = root + b"/" + first
        os.chmod(origin, stat.S_IMODE(os.lstat(origin).st_mode))  # noqa: PTH101 (bytes)
        for name in others:
            path = root + b"/" + name
            parent = os.path.dirname(path)  # noqa: PTH120 (bytes)
            was = os.lstat(parent)
            os.unlink(path)  # noqa: PTH108 (bytes)
            os.link(origin, path, follow_symlinks=False)
            os.utime(parent, ns=(was.st_atime_ns, was.st_mtime_ns))
