"""Tells whether a file that work was planned with is still what it was."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from dockyard.errors import DockyardError, Problem
from dockyard.pipeline.arguments.existing import ExistingDisk
from dockyard.pipeline.arguments.names import DISK


def stamp_of(image: Path) -> str:
    """What shows, without reading it, that a file was not written to. Raises OSError."""
    found = image.stat()
    return f"{found.st_ino} {found.st_size} {found.st_mtime_ns} {found.st_ctime_ns}"


def require_untouched(image: Path, stamp: str) -> None:
    """Raise DockyardError where an image is not what it was when the work was planned."""
    try:
        same = stamp_of(image) == stamp
    except OSError:
        same = False
    if not same:
        raise DockyardError(
            Problem(
                "image.changed-meanwhile",
                "the input image changed while it was being used",
                str(image),
                fix="see that nothing writes to it, and run the command again",
            )
        )


def disk_of(result: Callable[[str], Path], disk: ExistingDisk) -> Path:
    """The raw disk of an image that exists. result: gives the place of a result by the name of its
    step. Raises DockyardError when the image is not what it was.
    """
    if disk.made:
        return result(disk.made) / DISK
    require_same(disk)
    return Path(disk.image)


def require_same(disk: ExistingDisk) -> None:
    """Raise DockyardError when the file of a raw disk was changed meanwhile."""
    if not disk.made:
        require_untouched(Path(disk.image), disk.stamp)
