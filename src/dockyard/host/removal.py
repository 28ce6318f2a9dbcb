"""Removes directories with all below them: trees of images, whatever programs made in them."""

from __future__ import annotations

import errno
import os
import shlex
from contextlib import suppress
from pathlib import Path

from dockyard.errors import DockyardError, Problem

_TRIES = 3
_REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO, errno.EUCLEAN)
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def remove_tree(path: Path) -> None:
    """Remove a directory and all below it, whatever its modes and however deep it is; needs the
    namespace for trees of images.

    A program can nest directories deeper than functions can call themselves, and than any path that
    the kernel takes. So this goes down and up by single names. Raises DockyardError
    (`host.cannot-remove`) for what this process may not remove.
    """
    tries = _TRIES
    while tries:
        try:
            _remove_tree(path)
            return
        except NotADirectoryError:
            path.unlink(missing_ok=True)
            return
        except FileNotFoundError:
            if not os.path.lexists(path):
                return
            # Another process removes the same tree: it is smaller now.
        except OSError as error:
            # Somebody still makes files there.
            tries -= 1
            if error.errno in _REFUSED:
                raise DockyardError(cannot_remove(path, error)) from error
            if error.errno != errno.ENOTEMPTY or not tries:
                raise


def cannot_remove(path: Path, error: OSError) -> Problem:
    """What to tell when the system refuses to remove something, or to move it away."""
    name = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else ""
    why = error.strerror or str(error)
    if error.errno in (errno.EACCES, errno.EPERM):
        why += "; it belongs to a stranger, or is immutable (chattr(1))"
    return Problem(
        "host.cannot-remove",
        "something that is not needed any more cannot be removed",
        str(path),
        why=f"{name}: {why}" if name and name != str(path) else why,
        fix=f"remove it as root: rm -r {shlex.quote(str(path))}",
    )


def _remove_tree(path: Path) -> None:
    here = _enter(os.fspath(path))
    # Of every directory from the top to here: who it is, and the directories in it that are left.
    trail = [(_identity(here), _without_files(here))]
    names: list[str] = []
    try:
        while trail[-1][1] or names:
            if left := trail[-1][1]:
                names.append(left.pop())
                below = _enter(names[-1], here)
                os.close(here)
                here = below
                trail.append((_identity(here), _without_files(here)))
                continue
            above = os.open("..", _DIRECTORY, dir_fd=here)
            os.close(here)
            here = above
            trail.pop()
            if _identity(here) != trail[-1][0]:
                raise FileNotFoundError(errno.ENOENT, "it was moved", names[-1])
            os.rmdir(names.pop(), dir_fd=here)
    finally:
        os.close(here)
    path.rmdir()


def _enter(name: str, above: int | None = None) -> int:
    """Open a directory, and whoever owns it may change it then."""
    try:
        return os.open(name, _DIRECTORY, dir_fd=above)
    except PermissionError:
        os.chmod(name, 0o700, dir_fd=above)
        return os.open(name, _DIRECTORY, dir_fd=above)


def _identity(directory: int) -> tuple[int, int]:
    found = os.fstat(directory)
    return found.st_dev, found.st_ino


def _without_files(directory: int) -> list[str]:
    """Remove what is in an open directory, but for the directories in it: their names."""
    with suppress(PermissionError):
        os.fchmod(directory, 0o700)
    with os.scandir(directory) as entries:
        found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    for name, is_directory in found:
        if not is_directory:
            with suppress(FileNotFoundError):
                os.unlink(name, dir_fd=directory)
    return [name for name, is_directory in found if is_directory]


def discard_tree(path: Path) -> None:
    """Take a directory away from its name at once, then remove it.

    A program that outlived the process that started it may still write into it for a moment: it
    then writes to what is being removed, never to what takes its place.
    """
    gone = path.with_name(f".{path.name}.{os.getpid()}.gone")
    try:
        path.rename(gone)
    except FileNotFoundError:
        return
    remove_tree(gone)
