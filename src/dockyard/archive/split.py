"""Splits the archive of a root into one archive for each mount point, as partitions hold them.

A mount point stays in the archive above it as an empty directory with its attributes, which also
become those of the root below. A hard-link group that reaches over a mount point is a group in each
part, with data of its own: file systems cannot share them.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from dockyard.archive.archive import Archive, Source, TreeSource, linked
from dockyard.archive.entry import Entry, Kind, shown
from dockyard.errors import DockyardError, Problem


@dataclass(frozen=True, slots=True)
class _Below:
    """The part of a source below a directory."""

    source: Source
    prefix: bytes

    def open(self, path: bytes) -> BinaryIO:
        return self.source.open(self.prefix + b"/" + path)


def split(archive: Archive, mount_points: Sequence[bytes]) -> dict[bytes, Archive]:
    """The archives by mount point; b"" is the root's, which is always there.

    Raises DockyardError for a mount point that is not a directory of the archive.
    """
    points = sorted({b"", *mount_points}, key=len, reverse=True)
    for point in points:
        entry = archive.find(point)
        if entry is None or entry.kind is not Kind.DIRECTORY:
            raise DockyardError(
                Problem(
                    code="archive.no-mount-point",
                    what="a partition is to be mounted where there is no directory",
                    where=shown(point),
                    fix="add the directory to the image",
                )
            )
    parts: dict[bytes, list[int]] = {point: [] for point in points}
    for index, entry in enumerate(archive.entries):
        home = next(point for point in points if _holds(point, entry.path))
        parts[home].append(index)
        if entry.path == home and home:
            above = next(point for point in points if _holds(point, home) and point != home)
            parts[above].append(index)
    return {point: _part(archive, point, parts[point]) for point in sorted(parts)}


def _holds(point: bytes, path: bytes) -> bool:
    return not point or path == point or path.startswith(point + b"/")


def _part(archive: Archive, point: bytes, indices: Sequence[int]) -> Archive:
    cut = len(point) + 1 if point else 0
    entries: list[Entry] = []
    firsts: dict[bytes, Entry] = {}
    for index in indices:
        entry = archive.entries[index]
        path = entry.path[cut:]
        if entry.kind is Kind.HARDLINK:
            first = firsts.get(entry.target)
            if first is None:
                original = archive.entries[archive.positions[entry.target]]
                entry = firsts[entry.target] = replace(original, path=path)
            else:
                entry = linked(path, first)
        else:
            first_path = entry.path
            entry = firsts[first_path] = replace(entry, path=path)
        entries.append(entry)
    sources = [_moved(source, point) for source in archive.sources]
    return Archive(entries, sources, [archive.lies[index] for index in indices])


def _moved(source: Source, point: bytes) -> Source:
    if not point:
        return source
    if isinstance(source, TreeSource):
        return TreeSource(source.root / Path(os.fsdecode(point)))
    return _Below(source, point)
