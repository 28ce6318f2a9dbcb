"""Proves that an image holds what its archive has: the programs that write images lose things
without a word.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from dockyard.archive import Archive, Entry
from dockyard.archive.entry import path_text
from dockyard.errors import DockyardError, Problem
from dockyard.filesystems import btrfs, by_name
from dockyard.filesystems.spec import SubvolumeSpec
from dockyard.host.sandbox import Tools

_PATHS_SHOWN = 10
_ATTRIBUTES = (
    "kind", "mode", "uid", "gid", "mtime_ns", "size", "digest", "target", "rdev", "xattrs",
)  # fmt: skip
_OF_SUBVOLUMES = ("uuid", "read_only", "is_default", "most", "most_own")
_NOT_IN_FAT = ("mode", "uid", "gid", "mtime_ns", "xattrs")


def prove(
    name: str,
    archive: Archive,
    image: Path,
    tools: Tools,
    scratch: Path,
    subvolumes: Sequence[SubvolumeSpec] = (),
) -> None:
    """Read an image back and compare it with the archive that it was made of.

    subvolumes: those of btrfs that it is to have. Raises DockyardError `filesystems.lost` with the
    paths and attributes that differ.
    """
    left_out = _NOT_IN_FAT if name in ("vfat", "fat32") else ()
    attributes = [attribute for attribute in _ATTRIBUTES if attribute not in left_out]
    if subvolumes:
        found = btrfs.read(image, subvolume=btrfs.OUTERMOST)
    else:
        found = by_name(name).read(image, tools, scratch)
    lines = list(differences(archive, found, attributes))
    lines += _lost_subvolumes(image, subvolumes) if subvolumes else ()
    if not lines:
        return
    more = len(lines) - _PATHS_SHOWN
    raise DockyardError(
        Problem(
            code="filesystems.lost",
            what=f"the {name} file system does not hold what the image has",
            where=image.name,
            why="its writer changed or dropped something",
            fix="report this as a bug, or choose another file system",
            excerpt=(*lines[:_PATHS_SHOWN], *([f"and {more} more"] if more > 0 else [])),
        )
    )


def _lost_subvolumes(image: Path, expected: Sequence[SubvolumeSpec]) -> Iterator[str]:
    found = {one.number: one for one in btrfs.subvolumes(image)}
    for one in expected:
        other = found.pop(one.number, None)
        if other is None or os.fsencode(one.path) != other.path:
            yield f"subvolume {one.path}: missing"
        elif names := [
            each for each in _OF_SUBVOLUMES if getattr(one, each) != _value(other, each)
        ]:
            yield f"subvolume {one.path}: {', '.join(names)}"
    yield from (
        f"subvolume {os.fsdecode(other.path)}: not asked for"
        for other in found.values()
        if other.path
    )


def differences(expected: Archive, found: Archive, attributes: list[str]) -> Iterator[str]:
    """A line for each path that is not in both or whose attributes differ, in canonical order."""
    if expected.entries == found.entries:
        return
    for entry in expected:
        other = found.find(entry.path)
        if other is None:
            yield f"{path_text(entry.path)}: missing"
        elif names := [name for name in attributes if _value(entry, name) != _value(other, name)]:
            yield f"{path_text(entry.path)}: {', '.join(names)}"
    for entry in found:
        if expected.find(entry.path) is None:
            yield f"{path_text(entry.path)}: not in the archive"


def _value(of: Entry | btrfs.Subvolume, name: str) -> object:
    return getattr(of, name)
