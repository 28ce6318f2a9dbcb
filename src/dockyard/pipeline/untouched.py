"""Tells whether a file that work was planned with is still what it was."""

from __future__ import annotations

from pathlib import Path

from dockyard.errors import DockyardError, Problem


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
