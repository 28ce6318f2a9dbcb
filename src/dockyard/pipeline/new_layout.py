"""A new disk for the tree of an image that exists: `storage.disks` of a customization.

The tree goes into the file systems that the image file lays out. What the old disk has beside it is
told by name: partitions that are mounted nowhere are left behind, and lines of /etc/fstab about
other disks are kept.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace

from dockyard.config import LoadedImage
from dockyard.disk import other_mounts
from dockyard.disk.fstab import fstab
from dockyard.disk.layout import lay_out, size_text
from dockyard.disk.partition_types import ESP
from dockyard.disk.partitions import DiskLayout
from dockyard.errors import DockyardError, Problem, Severity
from dockyard.model.base import as_written
from dockyard.pipeline.existing_disk import DiskSource
from dockyard.pipeline.room import places_on


def new_layout(loaded: LoadedImage, source: DiskSource) -> DiskLayout:
    """The disk that the image file lays out for the tree of an image. Its ids come from the content
    of that image and the layout. Raises DockyardError with all that stands in the way.
    """
    storage = json.dumps(as_written(loaded.image.storage), separators=(",", ":"), sort_keys=True)
    seed = hashlib.sha256(bytes.fromhex(source.digest) + storage.encode()).digest()
    layout = lay_out(loaded.image.storage, seed, source.architecture, loaded.positions)
    if not source.storage.can_grow:
        kept = tuple(replace(each, grow=False) for each in layout.partitions)
        layout = replace(layout, partitions=kept)
    problems = [*_elsewhere(loaded, source, layout)]
    problems += _unclear(loaded, source, layout)
    if problems:
        raise DockyardError(*problems)
    return layout


def fstab_over(layout: DiskLayout, source: DiskSource) -> str:
    """The table of a new disk, with what the old one had beside its own."""
    kept, _ = _others(source, layout)
    return other_mounts.with_others(fstab(layout), kept)


def left_behind(loaded: LoadedImage, source: DiskSource, layout: DiskLayout) -> Iterator[Problem]:
    """Remarks about what the old disk has and the new one does not."""
    for each in source.partitions:
        if each.places or not each.holds or each.holds in ("swap", "verity-hash"):
            continue
        called = f"{each.number} {each.label}".strip()
        yield _remark(
            loaded,
            "image.left-behind",
            f"partition {called} of the image ({each.holds}, {size_text(each.size)}) is mounted "
            "nowhere, and not on the new disk",
            fix="mount it by /etc/fstab of the image before, to have its files in the tree",
        )
    if any(each.grow for each in layout.partitions) or source.storage.can_grow:
        return
    if any(disk.partitions and disk.partitions[-1].grows for disk in loaded.image.storage.disks):
        yield _remark(
            loaded,
            "image.does-not-grow",
            "`size: grow` fills the disk that is made, and no larger one at boot",
            fix="have systemd-repart in the image, or give the partition a size",
        )


def _remark(loaded: LoadedImage, code: str, what: str, fix: str) -> Problem:
    at = loaded.position("storage.disks")
    return Problem(code, what, at, fix=fix, severity=Severity.WARNING)


def _elsewhere(loaded: LoadedImage, source: DiskSource, layout: DiskLayout) -> Iterator[Problem]:
    """What firmware starts must be on the EFI system partition of the new disk as well."""
    places = places_on(layout)
    if "/" not in places:
        yield loaded.problem(
            "storage.filesystems",
            "build.no-root",
            "no file system is mounted at /",
            fix="give one of storage.filesystems the mountPoint /",
        )
    new = {path for path, each in places.items() if each.type_guid == ESP}
    for old in source.partitions:
        is_esp = old.type_guid == str(ESP) and old.mount
        if is_esp and new and old.mount not in new:
            yield loaded.problem(
                "storage.filesystems",
                "image.other-esp",
                f"the image has its EFI system partition at {old.mount}, the new disk at "
                f"{', '.join(sorted(new))}",
                why="what firmware starts would not be found",
                fix="keep the disk of the image: leave out storage.disks",
            )


def _others(
    source: DiskSource, layout: DiskLayout
) -> tuple[list[other_mounts.Line | str], list[other_mounts.Line]]:
    own = set()
    for each in source.partitions:
        own |= {("UUID", each.uuid.lower()), ("PARTUUID", each.guid.lower())}
        own |= {("LABEL", each.name), ("PARTLABEL", each.label)}
    own = {(tag, value) for tag, value in own if value}
    return other_mounts.kept_beside(source.storage.fstab, own, places_on(layout))


def _unclear(loaded: LoadedImage, source: DiskSource, layout: DiskLayout) -> Iterator[Problem]:
    kept, unclear = _others(source, layout)
    for line in unclear:
        yield loaded.problem(
            "storage.disks",
            "image.unclear-mount",
            f"line {line.number} of the image's /etc/fstab mounts {line.source} at {line.at}",
            why="it is not told whether that is the disk that is laid out anew",
            fix="name it by UUID= or LABEL= in the image, or mount something of the new disk there",
        )
    places = places_on(layout)
    for each in kept:
        if isinstance(each, other_mounts.Line) and each.at in places:
            yield loaded.problem(
                "storage.filesystems",
                "image.mounted-twice",
                f"{each.at} is mounted from {each.source} by line {each.number} of the image's "
                "/etc/fstab, and from the new disk",
                fix="choose another mountPoint",
            )
