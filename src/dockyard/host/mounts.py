"""Mounts that last as long as a `with` block: tmpfs and overlayfs, inside the namespace.

`namespace.enter()` must come before: the mounts are private to this process and to the programs
that it starts, and vanish with it even when it is killed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from dockyard.errors import DockyardError, Problem
from dockyard.host import kernel

_OF_LOWERS = tuple(f"user.overlay.{name}" for name in ("origin", "impure", "nlink", "uuid"))


@contextmanager
def tmpfs(at: Path, *, size: int | None = None, mode: int = 0o755) -> Iterator[Path]:
    """Mount an empty file system in memory at an existing directory.

    size: the most bytes that it may hold; without it, as much as the host has memory. The number
    of files is not limited.
    """
    limit = f"{size}" if size is not None else "100%"
    options = f"size={limit},nr_inodes=0,mode={mode:04o}"
    _mount("tmpfs", at, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, options)
    try:
        yield at
    finally:
        kernel.unmount(str(at))


@contextmanager
def overlay(
    lowers: Sequence[Path],
    upper: Path | None,
    work: Path | None,
    at: Path,
    *,
    volatile: bool = False,
) -> Iterator[Path]:
    """Lay trees over one another at an existing directory.

    lowers: the trees below, the uppermost first; they are not written to. upper: the directory
    that takes the changes; without it the overlay is read-only. work: an empty directory on the
    file system of upper. volatile: never wait for the disk; then work cannot be used again.
    Marks are kept in `user.overlay.*` attributes, the only ones that a user may set.
    """
    with ExitStack() as stack:
        # The kernel takes 4096 bytes of options and gives colons and commas a meaning: names of
        # open directories are short and have neither.
        def name(directory: Path) -> str:
            number = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            stack.callback(os.close, number)
            return f"/proc/self/fd/{number}"

        options = "userxattr,lowerdir=" + ":".join(name(lower) for lower in lowers)
        if upper is not None and work is not None:
            options += f",upperdir={name(upper)},workdir={name(work)}"
            options += ",volatile" if volatile else ""
        _mount("overlay", at, "overlay", 0, options)
    try:
        yield at
    finally:
        kernel.unmount(str(at))


def forget_lowers(upper: Path) -> None:
    """Remove from the upper directory of an overlay that is not mounted any more what the kernel
    noted of the files below (where they were, numbers of inodes): it says nothing of what is there.
    """
    for directory, names, files in os.walk(upper):
        for path in (directory, *(f"{directory}/{name}" for name in (*names, *files))):
            for name in os.listxattr(path, follow_symlinks=False):
                if name in _OF_LOWERS:
                    os.removexattr(path, name, follow_symlinks=False)


def _mount(source: str, at: Path, kind: str, flags: int, options: str) -> None:
    try:
        kernel.mount(source, str(at), kind, flags, options)
    except OSError as error:
        raise DockyardError(
            Problem(
                code="host.mount-failed",
                what=f"{kind} could not be mounted in the namespace",
                where=str(at),
                why=str(error.strerror),
                fix="see what this host lacks with: dockyard doctor",
            )
        ) from error
