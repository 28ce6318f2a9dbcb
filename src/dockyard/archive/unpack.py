"""Makes a tree on the host of an archive, inside the namespace.

For programs that can only be fed a directory. Names are made in canonical order, attributes are set
sorted by name, times come last, and blocks of zeros become holes: on an empty tmpfs the result
is the same for every host and user. What a namespace does not let anyone make (device nodes, ids
above 65535, `trusted.*`) raises DockyardError; see `features`.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from dockyard.archive.archive import Archive, changed_meanwhile, require_digest
from dockyard.archive.entry import DEVICES, Entry, Kind, path_text
from dockyard.errors import DockyardError, Problem

_PIECE = 1 << 20
_BLOCK = 4096
_ZEROS = bytes(_PIECE)


def unpack(
    archive: Archive,
    into: Path,
    *,
    reverse: bool = False,
    whole: Callable[[Entry], bool] = lambda _: False,
) -> dict[bytes, str]:
    """Fill an empty directory, and give the SHA-256 of every file by its path; of names that are
    hard-linked, by that of the first in the archive. reverse: make the names of each directory in
    reverse order. whole: which files have no holes, zeros or not.

    Raises DockyardError with the path that could not be made, or that would be outside.
    """
    root = os.fsencode(into)
    made: dict[bytes, bytes] = {}
    directories: set[bytes] = set()
    digests: dict[bytes, str] = {}
    indices = _reversed(archive) if reverse else range(len(archive))
    for index in indices:
        entry = archive.entries[index]
        _require_inside(entry, directories)
        path = root + b"/" + entry.path if entry.path else root
        try:
            leader = entry.target if entry.kind is Kind.HARDLINK else entry.path
            if leader in made:
                os.link(made[leader], path, follow_symlinks=False)
                continue
            if entry.kind is not Kind.DIRECTORY:
                made[leader] = path
            original = archive.positions[leader]
            if digest := _make(archive, original, path, whole):
                digests[leader] = digest
            if entry.kind is not Kind.DIRECTORY:
                dress(archive.entries[original], path)
        except OSError as error:
            raise DockyardError(not_made(entry, error)) from error
    # The root first and the leaves last would touch the times of directories again.
    for entry in reversed(archive.entries):
        if entry.kind is Kind.DIRECTORY:
            try:
                dress(entry, root + b"/" + entry.path if entry.path else root)
            except OSError as error:
                raise DockyardError(not_made(entry, error)) from error
    return digests


def _require_inside(entry: Entry, directories: set[bytes]) -> None:
    """Raise DockyardError for a name that is in none of the directories made so far: what is above
    it may be a link that leads out of the tree. Notes a directory.
    """
    if entry.path and (entry.parent not in directories or entry.name in (b"", b".", b"..")):
        raise DockyardError(
            Problem(
                "archive.not-unpacked",
                "a file of the image could not be made",
                path_text(entry.path),
                "it is in no directory of the image",
            )
        )
    if entry.kind is Kind.DIRECTORY:
        directories.add(entry.path)


def _reversed(archive: Archive) -> Iterator[int]:
    """The indices of the entries: parents before children, siblings in reverse."""
    children: dict[bytes, list[int]] = {}
    for index, entry in enumerate(archive.entries):
        if entry.path:
            children.setdefault(entry.parent, []).append(index)
    pending = [archive.positions[b""]]
    while pending:
        index = pending.pop()
        yield index
        pending += children.get(archive.entries[index].path, [])


def _make(archive: Archive, index: int, path: bytes, whole: Callable[[Entry], bool]) -> str | None:
    """Make a name; gives the digest of a file."""
    entry = archive.entries[index]
    if entry.kind is Kind.DIRECTORY:
        if entry.path:
            os.mkdir(path, 0o700)  # noqa: PTH102 (bytes)
    elif entry.kind is Kind.SYMLINK:
        os.symlink(entry.target, path)  # noqa: PTH211 (bytes)
    elif entry.kind is Kind.FIFO:
        os.mkfifo(path, 0o600)
    elif entry.kind in DEVICES:
        format_ = 0o020000 if entry.kind is Kind.CHARACTER else 0o060000
        os.mknod(path, format_ | 0o600, os.makedev(*entry.rdev))
    else:
        return _write(archive, index, path, whole(entry))
    return None


def _write(archive: Archive, index: int, path: bytes, whole: bool) -> str:
    entry = archive.entries[index]
    number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        done, digest = 0, hashlib.sha256()
        if not entry.size:
            return digest.hexdigest()
        with archive.open_at(index) as data:
            # What was sealed and not touched since need not be digested again.
            known = entry.digest if archive.is_as_listed(index, data) else None
            while piece := data.read(_PIECE):
                if known is None:
                    digest.update(piece)
                if whole:
                    os.pwrite(number, piece, done)
                else:
                    write_sparsely(number, piece, done)
                done += len(piece)
        if done != entry.size:
            raise DockyardError(changed_meanwhile(entry.path, entry.size, done))
        found = known or digest.hexdigest()
        require_digest(entry, found)
        os.ftruncate(number, done)
        return found
    finally:
        os.close(number)


def write_sparsely(number: int, piece: bytes, at: int) -> None:
    """Write a piece of a file at a place, but for its blocks of zeros."""
    if b"\0" * _BLOCK not in piece:
        os.pwrite(number, piece, at)
        return
    view = memoryview(piece)
    start = 0
    for offset in range(0, len(piece) + _BLOCK, _BLOCK):
        block = view[offset : offset + _BLOCK]
        if not len(block) or block == _ZEROS[: len(block)]:
            if start < offset:
                os.pwrite(number, view[start:offset], at + start)
            start = offset + _BLOCK


def dress(entry: Entry, path: bytes) -> None:
    """Set owner, mode, attributes and time: in this order, for each undoes a later one."""
    os.chown(path, entry.uid, entry.gid, follow_symlinks=False)
    if entry.kind is not Kind.SYMLINK:
        os.chmod(path, entry.mode)  # noqa: PTH101 (bytes)
    for name, value in entry.xattrs:
        os.setxattr(path, name, value, follow_symlinks=False)
    os.utime(path, ns=(entry.mtime_ns, entry.mtime_ns), follow_symlinks=False)


def not_made(entry: Entry, error: OSError) -> Problem:
    """What is wrong when the host does not let a file be made."""
    return Problem(
        code="host.no-space" if error.errno == 28 else "archive.not-unpacked",
        what="a file of the image could not be made",
        where=path_text(entry.path),
        why=str(error.strerror),
    )
