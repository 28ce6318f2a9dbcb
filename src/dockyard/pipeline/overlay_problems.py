"""Overlays against the file systems of an image: what could not be mounted, before any work."""

from __future__ import annotations

from collections.abc import Iterator

from dockyard.config import LoadedImage
from dockyard.disk.layout import DiskLayout, PartitionLayout
from dockyard.errors import Problem
from dockyard.model.storage import MountPoint

_EARLY = "x-initrd.mount"
_MOUNTED_EARLY = ("/", "/usr")  # by the initrd itself


def overlay_problems(loaded: LoadedImage, layout: DiskLayout) -> Iterator[Problem]:
    """A problem for each overlay that this disk cannot have."""
    if not layout.partitions:
        return
    for index, overlay in enumerate(loaded.image.os.overlays):
        key = f"os.overlays[{index}]"
        upper, work = (_below(layout, path) for path in (overlay.upper_dir, overlay.work_dir))
        if upper != work:
            yield loaded.problem(
                f"{key}.workDir",
                "build.overlay-two-file-systems",
                "`workDir` is on another file system than `upperDir`",
                why=f"the one is on {work[0]}, the other on {upper[0]}",
                fix="put them side by side on the same file system",
            )
        # What an image that exists mounts in its initrd, its own fstab says.
        if not overlay.is_initrd_overlay or not loaded.image.storage.disks:
            continue
        needed = (*overlay.mount_dependencies, overlay.upper_dir)
        for mount, options in dict.fromkeys(_below(layout, path) for path in needed):
            if mount not in _MOUNTED_EARLY and _EARLY not in options:
                yield loaded.problem(
                    key,
                    "build.overlay-too-early",
                    f"the overlay is mounted in the initrd, and {mount} is not",
                    fix=f"add the option {_EARLY} to the mountPoint {mount}",
                )


def _below(layout: DiskLayout, path: str) -> tuple[str, tuple[str, ...]]:
    """The file system that a path is on: where it is mounted, and its options."""
    plain = f"{path.rstrip('/')}/"
    found = [
        (mount.path, tuple(mount.options.split(",")))
        for partition in layout.partitions
        for mount in _mounts(partition)
        if plain.startswith(f"{mount.path.rstrip('/')}/")
    ]
    return max(found, key=lambda item: len(item[0]), default=("/", ()))


def _mounts(partition: PartitionLayout) -> list[MountPoint]:
    return [mount for mount, _ in partition.filesystem.mounts] if partition.filesystem else []
