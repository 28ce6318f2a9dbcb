"""Btrfs subvolumes of a disk: the one that is the root, and where all are in the system's tree."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from dockyard.archive import Archive
from dockyard.disk.subvolumes import places
from dockyard.filesystems import btrfs
from dockyard.inspection.disks import FoundPartition


@dataclass(frozen=True, slots=True)
class FoundSubvolume:
    """A subvolume. path: from the outermost one, whose path is empty. mount: where it is in the
    tree; empty where it is no part of that. also: further places that it is mounted at.
    """

    known: btrfs.Subvolume
    path: str
    mount: str = ""
    also: tuple[str, ...] = ()

    @property
    def read_only(self) -> bool:
        return self.known.read_only


def subvolumes_of(partition: FoundPartition) -> tuple[FoundSubvolume, ...]:
    """The subvolumes in a partition, the outermost one first; none where there is no other one.
    Raises DockyardError.
    """
    if partition.content is None or partition.content.kind != "btrfs":
        return ()
    found = btrfs.subvolumes(partition.region)
    if len(found) < 2:
        return ()
    return tuple(FoundSubvolume(one, one.path.decode(errors="surrogateescape")) for one in found)


def read_subvolume(partition: FoundPartition, number: int, *, digests: bool = False) -> Archive:
    """What a subvolume holds, without those that lie in it. Raises DockyardError."""
    return btrfs.read(partition.region, subvolume=number, nested=False, digests=digests)


def candidates(
    partitions: Iterable[FoundPartition],
) -> Iterator[tuple[FoundPartition, FoundSubvolume]]:
    """The subvolumes that may be a root where no file system is one: the outer ones first."""
    found = [(each, one) for each in partitions for one in subvolumes_of(each) if one.path]
    yield from sorted(found, key=lambda pair: (pair[1].path.count("/"), pair[0].number))


def named_by(options: str, known: Sequence[FoundSubvolume]) -> FoundSubvolume | None:
    """The subvolume that the options of a mount name, or the default one; None for one that is not
    there.
    """
    for option in options.split(","):
        key, _, value = option.partition("=")
        if key == "subvol":
            return next((one for one in known if one.path == value.strip("/")), None)
        if key == "subvolid":
            number = value if value.strip("0") else str(btrfs.OUTERMOST)
            return next((one for one in known if str(one.known.number) == number), None)
    return next((one for one in known if one.known.is_default), None)


def placed(
    known: Sequence[FoundSubvolume], mounted: Mapping[str, Sequence[str]]
) -> tuple[FoundSubvolume, ...]:
    """All subvolumes of a volume, each with its place. mounted: where they are mounted, by path."""
    found = places(known, {path: each[0] for path, each in mounted.items()})
    return tuple(
        FoundSubvolume(
            one.known, one.path, found.get(one.path, ""), tuple(mounted.get(one.path, ()))[1:]
        )
        for one in known
    )
