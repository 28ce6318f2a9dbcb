"""File systems, one module per kind: from an archive to an image, and back.

`by_name` gives the module of a kind under the names that image configurations use.
"""

from __future__ import annotations

from importlib import import_module
from typing import cast

from dockyard.errors import DockyardError, Problem
from dockyard.filesystems.spec import BLOCK_SIZES, Filesystem, FilesystemSpec

__all__ = ["BLOCK_SIZES", "Filesystem", "FilesystemSpec", "by_name", "names"]

_MODULES = {
    "btrfs": "btrfs",
    "erofs": "erofs",
    "ext4": "ext4",
    "fat32": "vfat",
    "iso9660": "iso9660",
    "squashfs": "squashfs",
    "vfat": "vfat",
    "xfs": "xfs",
}


def names() -> tuple[str, ...]:
    """The names of all kinds."""
    return tuple(_MODULES)


def by_name(name: str) -> Filesystem:
    """The module of a kind of file system. Raises DockyardError for an unknown one."""
    module = _MODULES.get(name)
    if module is None:
        raise DockyardError(
            Problem(
                code="filesystems.unknown",
                what=f"there is no file system {name}",
                fix="choose one of: " + ", ".join(_MODULES),
            )
        )
    return cast(Filesystem, import_module(f"dockyard.filesystems.{module}"))
