"""What a btrfs file system with subvolumes is made of: the tree where they are part of it, and
what an image that exists has in all others.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from dockyard.archive import Archive, Entry, Kind, joined, subtree
from dockyard.archive.entry import NANOSECONDS, path_text
from dockyard.disk.subvolumes import parent_of
from dockyard.errors import DockyardError, Problem
from dockyard.filesystems import btrfs
from dockyard.filesystems.image import Region
from dockyard.pipeline.arguments.image import Original, PlacedSubvolume, WriteFilesystem
from dockyard.pipeline.untouched import disk_of

if TYPE_CHECKING:
    from dockyard.engine.work import Work


def volume_content(wanted: WriteFilesystem, whole: Archive, work: Work) -> Archive:
    """The archive of the outermost subvolume with all others in it. Raises DockyardError for what
    is in the tree where it cannot be kept.
    """
    original = _original(wanted.original, work) if wanted.original else None
    paths = [one.subvolume.path for one in wanted.subvolumes]
    made: Archive | None = None
    for one in sorted(wanted.subvolumes, key=lambda each: each.subvolume.path.split("/")):
        path = os.fsencode(one.subvolume.path)
        inner = [
            os.fsencode(each) for each in paths if parent_of(each, paths) == one.subvolume.path
        ]
        content = _content(one, wanted, whole, original, inner)
        if made is None:
            made = content if not path else _directories(paths, wanted.epoch)
        made = joined(made, path, content) if path else made
    assert made is not None
    return made


def _original(original: Original, work: Work) -> Archive:
    region = Region(disk_of(work.result, original.disk), original.start, original.size)
    return btrfs.read(region, subvolume=btrfs.OUTERMOST)


def _directories(paths: list[str], epoch: int) -> Archive:
    """What is around new subvolumes: directories."""
    time = epoch * NANOSECONDS
    inside = [os.fsencode(path) for path in paths]
    return Archive.from_entries([_directory(path, time) for path in (b"", *inside)])


def _directory(path: bytes, time: int) -> Entry:
    return Entry(path, Kind.DIRECTORY, 0o755, mtime_ns=time)


def _content(
    one: PlacedSubvolume,
    wanted: WriteFilesystem,
    whole: Archive,
    original: Archive | None,
    inner: list[bytes],
) -> Archive:
    """What is in a subvolume itself; those in it are empty directories. inner: their paths."""
    path = os.fsencode(one.subvolume.path)
    if one.mount is None:
        if original is None:
            return Archive([_directory(b"", wanted.epoch * NANOSECONDS)])
        return subtree(original, path, inner)
    at = os.fsencode(one.mount.strip("/"))
    prefix = at + b"/" if at else b""
    places = {os.fsencode(place.strip("/")) for place in wanted.others}
    shown = {prefix + each[len(path) :].lstrip(b"/") for each in inner}
    for place in sorted(shown - places):
        _require_empty(whole, place, one)
    cuts = [place for place in places | shown if place.startswith(prefix) and place != at]
    content = subtree(whole, at, sorted(cuts))
    # What lies in a subvolume needs its directory, whether the tree shows it or not.
    return _with_directories(content, [each[len(prefix) :] for each in sorted(shown)], wanted.epoch)


def _with_directories(content: Archive, paths: list[bytes], epoch: int) -> Archive:
    for path in paths:
        if content.find(path) is None:
            parts = path.split(b"/")
            for count in range(1, len(parts) + 1):
                above = b"/".join(parts[:count])
                if content.find(above) is None:
                    empty = Archive([_directory(b"", epoch * NANOSECONDS)])
                    content = joined(content, above, empty)
    return content


def _require_empty(whole: Archive, place: bytes, one: PlacedSubvolume) -> None:
    prefix = place + b"/"
    found = next((entry for entry in whole if entry.path.startswith(prefix)), None)
    if found is not None:
        raise DockyardError(
            Problem(
                "image.subvolume-place",
                f"{path_text(found.path)} would be hidden by a subvolume",
                where=path_text(place),
                why=f"a subvolume lies there, in {one.subvolume.path or 'the outermost one'}, "
                "whose files come from elsewhere",
                fix="leave the directory empty, or mount the subvolume there",
            )
        )
