"""Says what is wrong with the place that something was written to, from what the kernel said."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dockyard.errors import DockyardError, Problem

_FULL = (errno.ENOSPC, errno.EDQUOT)
_REFUSED = (errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EISDIR, errno.EEXIST)
_ELSEWHERE = "or choose another place with --store DIR"


def free_space(directory: Path) -> int | None:
    """Bytes that the user may still write below a directory; None where its file system does not
    say, as some of the network do.
    """
    found = os.statvfs(directory)
    return found.f_bavail * found.f_frsize if found.f_blocks else None


def storage_problem(error: OSError, root: Path) -> Problem:
    """The problem of a store that cannot be used."""
    where = str(error.filename or root)
    why = error.strerror or str(error)
    if error.errno in _FULL:
        return Problem(
            "host.no-space",
            "no space is left in the store",
            str(root),
            why=why,
            fix=f"free space there, {_ELSEWHERE}",
        )
    if error.errno == errno.EFBIG:
        return Problem(
            "host.file-too-large",
            "a file of the store would be larger than this process may write",
            where,
            why="the file system, or a limit of the shell's (ulimit -f), is smaller",
            fix=f"raise the limit, {_ELSEWHERE}",
        )
    if error.errno == errno.ENOENT and not root.is_dir():
        return Problem(
            "host.store-gone",
            "the store does not exist, or was removed while it was in use",
            str(root),
            fix=f"run the command again, which makes it again, {_ELSEWHERE}",
        )
    if error.errno == errno.ENOENT:
        return Problem(
            "host.store-gone",
            "something was removed from the store while it was in use",
            where,
            fix="run the command again: what is missing is made again",
        )
    if error.errno == errno.EROFS:
        why = "its file system is mounted read-only"
    return Problem(
        "host.not-writable",
        "the store could not be written",
        where,
        why=why,
        fix=f"correct the permissions of the store, {_ELSEWHERE}",
    )


def output_refused(error: OSError) -> tuple[str, str]:
    """Why a file that a user wants somewhere could not be written there, and what to do about it,
    to be followed by the option that names the place.
    """
    why = error.strerror or str(error)
    if error.errno in (*_FULL, errno.EFBIG):
        return why, "make room, or choose another place with"
    if error.errno in (errno.EACCES, errno.EPERM):
        why += ": files are written as the user who calls, without the rights of root over others"
        return why, "choose a directory that this user owns with"
    return why, "choose another place with"


@contextmanager
def store_trouble_told(root: Path) -> Iterator[None]:
    """Turn what the kernel refuses below a store into a DockyardError, and let all else pass."""
    try:
        yield
    except OSError as error:
        if not _of_store(error, root):
            raise
        raise DockyardError(storage_problem(error, root)) from error


def _of_store(error: OSError, root: Path) -> bool:
    if error.errno in (*_FULL, errno.EFBIG):
        return error.filename is None or _below(error, root)
    return error.errno in (*_REFUSED, errno.ENOENT, errno.EIO) and _below(error, root)


def _below(error: OSError, root: Path) -> bool:
    names = [name for name in (error.filename, error.filename2) if isinstance(name, str | bytes)]
    paths = [Path(name.decode(errors="replace") if isinstance(name, bytes) else name)
             for name in names]  # fmt: skip
    return any(path == root or root in path.parents or path in root.parents for path in paths)
