"""Lays the changes of an overlayfs upper directory over an archive, without reading what is below.

The upper directory's marks (Documentation/filesystems/overlayfs.rst of Linux): a character device
0:0 removes a name; a directory with the attribute `overlay.opaque` = `y` hides everything that was
below it; inside a directory with `overlay.opaque` = `x` an empty file with `overlay.whiteout`
removes a name. Everything else is as it will be seen. The namespaces `user.` and `trusted.` of
these attributes mean the same.

The result equals the scan of the merged tree: a hard-link group that loses its first name gets
the next one as its first, whose data are under that name in the same tree.
"""

from __future__ import annotations

import stat
from bisect import bisect_left
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from dockyard.archive.archive import Archive, TreeSource, linked
from dockyard.archive.entry import Entry, Kind, order
from dockyard.archive.scan import Scanned, entries_of, walk
from dockyard.errors import DockyardError, Problem

Placed = tuple[Entry, int]


def merge(base: Archive, layer: Path, *, epoch: int | None = None) -> Archive:
    """The archive of what an overlay mount of `layer` over the tree of `base` shows.

    epoch: that which the base was scanned with. Raises DockyardError for what cannot be read.
    """
    found = walk(layer)
    removed, hidden, kept = _marks(found)
    source = len(base.sources)
    upper = entries_of(layer, kept, epoch)
    replaced = {entry.path for entry in upper}
    leaves = {entry.path for entry in upper if entry.kind is not Kind.DIRECTORY}
    below = _survivors(base, removed | leaves, hidden, replaced)
    merged = _regrouped(base, below)
    _put_in(merged, [(entry, source) for entry in upper])
    entries = [placed[0] for placed in merged]
    _check_parents(upper, entries, layer)
    return Archive(entries, (*base.sources, TreeSource(layer)), [placed[1] for placed in merged])


def _marks(found: Iterable[Scanned]) -> tuple[set[bytes], set[bytes], list[Scanned]]:
    """The names that are removed, the directories that hide what was below, and all the rest."""
    removed: set[bytes] = set()
    hidden: set[bytes] = set()
    kept: list[Scanned] = []
    for one in found:
        status = one.status
        marks = dict(one.marks)
        if stat.S_ISCHR(status.st_mode) and status.st_rdev == 0:
            removed.add(one.path)
            continue
        if stat.S_ISREG(status.st_mode) and not status.st_size and "whiteout" in marks:
            removed.add(one.path)
            continue
        if "redirect" in marks or "metacopy" in marks:
            raise DockyardError(
                Problem(
                    code="archive.overlay-mark",
                    what="a layer refers to data of the layer below",
                    where=one.path.decode(errors="replace"),
                    why="the overlay was mounted with redirect_dir or metacopy",
                    fix="mount it without them",
                )
            )
        if marks.get("opaque") == b"y":
            hidden.add(one.path)
        kept.append(one)
    return removed, hidden, kept


def _survivors(
    base: Archive, gone: Collection[bytes], hidden: Collection[bytes], replaced: Collection[bytes]
) -> list[int]:
    """Which entries of the base are still seen, as indices in order."""
    survivors: list[int] = []
    skipped: bytes | None = None
    for index, entry in enumerate(base.entries):
        path = entry.path
        if skipped is not None and path.startswith(skipped):
            continue
        skipped = None
        if path in gone or path in hidden:
            skipped = path + b"/" if path else b""
            continue
        # A directory that came up from below is replaced by its copy; a file above a directory
        # is in `gone`.
        if path not in replaced:
            survivors.append(index)
    return survivors


def _regrouped(base: Archive, survivors: Iterable[int]) -> list[Placed]:
    """The surviving entries with their sources, each hard-link group with a first name."""
    placed: list[Placed] = []
    first: dict[bytes, Entry] = {}
    for index in survivors:
        entry, source = base.entries[index], base.source_of[index]
        if entry.kind is Kind.HARDLINK:
            target = first.get(entry.target)
            if target is None:
                original = base.entries[base.positions[entry.target]]
                first[entry.target] = entry = replace(original, path=entry.path)
            else:
                entry = linked(entry.path, target)
        else:
            first[entry.path] = entry
        placed.append((entry, source))
    return placed


def _put_in(merged: list[Placed], more: Sequence[Placed]) -> None:
    """Put entries where they belong among those of a list in canonical order: few, for most layers
    are small.
    """
    if len(more) * len(merged).bit_length() > len(merged):
        merged += more
        merged.sort(key=_place)
        return
    for one in more:
        merged.insert(bisect_left(merged, _place(one), key=_place), one)


def _place(placed: Placed) -> bytes:
    return order(placed[0].path)


def _check_parents(upper: Iterable[Entry], entries: Iterable[Entry], layer: Path) -> None:
    """That what comes is in directories; what was there before is in those that it was in."""
    directories = {entry.path for entry in entries if entry.kind is Kind.DIRECTORY}
    for entry in upper:
        if entry.path and entry.parent not in directories:
            raise DockyardError(
                Problem(
                    code="archive.layer-does-not-fit",
                    what="a layer has names in a directory that is not there",
                    where=entry.path.decode(errors="replace"),
                    why=f"{layer.name} was made over another tree",
                    fix="build the image again",
                )
            )
