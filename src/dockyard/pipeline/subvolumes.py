"""The btrfs subvolumes of a layout, as the step that writes them is told of them."""

from __future__ import annotations

from collections.abc import Mapping

from dockyard.disk.partitions import FileSystemLayout
from dockyard.disk.subvolumes import places
from dockyard.filesystems.spec import SubvolumeSpec
from dockyard.pipeline.arguments.image import PlacedSubvolume


def places_of(system: FileSystemLayout) -> tuple[str, ...]:
    """Every path of the tree where a file system, or a subvolume of it, is seen."""
    if system.subvolumes:
        return tuple(_places(system).values())
    return tuple(mount.path for mount, _ in system.mounts)


def placed_subvolumes(system: FileSystemLayout) -> tuple[PlacedSubvolume, ...]:
    """The subvolumes of a file system, each with its place in the tree, if it has one."""
    found = _places(system)
    return tuple(
        PlacedSubvolume(
            SubvolumeSpec(
                one.number,
                one.path,
                one.uuid,
                one.read_only,
                one.is_default,
                one.most,
                one.most_own,
                one.history,
            ),
            found.get(one.path),
        )
        for one in system.subvolumes
    )


def _places(system: FileSystemLayout) -> Mapping[str, str]:
    mounted = {one.path: one.mount.path for one in system.subvolumes if one.mount}
    return places(system.subvolumes, mounted)
