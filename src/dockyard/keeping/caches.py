"""What a store has beside results and downloads, and can do without: what earlier versions kept in
places that nothing reads any more, and metadata and fetched images that were not used for long.

    <store>/converted, signed    packages, as earlier versions kept them
    <store>/metadata, solv       caches: of what repositories list, and what was found out about it
    <store>/images               disks that were fetched from registries
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dockyard.host import removal

_FORMER = ("converted", "signed")
_CACHES = {"metadata": "metadata", "solv": "metadata", "images": "images"}
# Fetched keys: few bytes, and nothing makes them again without their server.
_KEPT = "keys"


@dataclass(frozen=True, slots=True)
class Dispensable:
    """Something that may go. name: a path below the store. size: bytes of disk. why: in words."""

    name: str
    size: int
    why: str
    paths: tuple[Path, ...]

    def remove(self) -> None:
        """Remove it. Needs the namespace."""
        for path in self.paths:
            if path.is_dir():
                removal.remove_tree(path)
            else:
                path.unlink(missing_ok=True)


def dispensable(root: Path, before: float) -> list[Dispensable]:
    """What a store can do without. before: caches that were last used before it (seconds since
    1970) are. A directory that is another store's is left out.
    """
    found = []
    for name in _FORMER:
        place = root / name
        if place.is_dir() and not place.is_symlink():
            size = sum(each.lstat().st_blocks * 512 for each in (place, *_below(place)))
            why = "an earlier version kept packages there, and nothing reads them any more"
            found.append(Dispensable(name, size, why, (place,)))
    for name, what in _CACHES.items():
        place = root / name
        unused = [] if place.is_symlink() else [*_unused(place, before)]
        if unused:
            size = sum(status.st_blocks * 512 for _, status in unused)
            count = f"{len(unused)} file{'s' if len(unused) != 1 else ''} of"
            why = f"{count} {what} that were read, and not used for long"
            found.append(Dispensable(name, size, why, tuple(path for path, _ in unused)))
    return found


def _unused(place: Path, before: float) -> Iterator[tuple[Path, os.stat_result]]:
    """The files of a cache that were neither written nor read since a time. Linux notes the first
    time in a day that a file is read, unless a file system is mounted with `noatime`.
    """
    for path in _below(place):
        status = path.lstat()
        file = not path.is_dir() and path.relative_to(place).parts[0] != _KEPT
        if file and max(status.st_atime, status.st_mtime) < before:
            yield path, status


def _below(place: Path) -> list[Path]:
    return sorted(place.rglob("*"))
