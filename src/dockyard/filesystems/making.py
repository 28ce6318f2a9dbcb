"""How file systems were made, for those that take their place in an image that is written anew.

What is kept is what a running system would miss, or what decides whether the files fit: features,
compression, clusters, sizes of blocks and nodes, numbers and sizes of inodes, reserves. What is
made otherwise is told.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from dockyard.filesystems import btrfs, erofs, ext4, vfat, xfs
from dockyard.filesystems.image import Image

_MADE: Mapping[str, Callable[[Image], dict[str, str]]] = {
    "btrfs": btrfs.made_as,
    "erofs": erofs.made_as,
    "ext4": ext4.made_as,
    "vfat": vfat.made_as,
    "xfs": xfs.made_as,
}
_NOT_KEPT: Mapping[str, Callable[[Image], tuple[str, ...]]] = {
    "btrfs": btrfs.not_kept,
    "erofs": erofs.not_kept,
    "ext4": ext4.not_kept,
    "xfs": xfs.not_kept,
}


def made_as(module: str, image: Image) -> dict[str, str]:
    """The options that the module writes one with that takes the place of an image; none for
    modules that write none in the place of others. Raises DockyardError and OSError.
    """
    return _MADE[module](image) if module in _MADE else {}


def not_kept(module: str, image: Image) -> tuple[str, ...]:
    """What the one that takes the place of an image has otherwise, in words for a person; nothing
    where all is as it was. Raises DockyardError and OSError.
    """
    return _NOT_KEPT[module](image) if module in _NOT_KEPT else ()
