"""Btrfs subvolumes of a disk: the one that is the root, and those that its fstab mounts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dockyard.archive import Archive
from dockyard.filesystems import btrfs
from dockyard.inspection.disks import FoundPartition


def subvolumes_of(partition: FoundPartition) -> tuple[str, ...]:
    """The paths of the subvolumes in a partition, but for the outermost; none where it is not
    btrfs. Raises DockyardError.
    """
    if partition.content is None or partition.content.kind != "btrfs":
        return ()
    found = btrfs.subvolumes(partition.region)
    return tuple(each.path.decode(errors="surrogateescape") for each in found[1:])


def read_subvolume(partition: FoundPartition, path: str) -> Archive:
    """What a subvolume holds, without those that lie in it. Raises DockyardError."""
    return btrfs.read(partition.region, subvolume=path, nested=False)


def candidates(partitions: Iterable[FoundPartition]) -> Iterator[tuple[FoundPartition, str]]:
    """The subvolumes that may be a root where no file system is one: the outer ones first."""
    found = [(each, path) for each in partitions for path in subvolumes_of(each)]
    yield from sorted(found, key=lambda pair: (pair[1].count("/"), pair[0].number))


def subvolume_named(options: str) -> str:
    """The subvolume that the options of a mount name; empty for none."""
    for option in options.split(","):
        key, _, path = option.partition("=")
        if key == "subvol":
            return path.strip("/")
    return ""
