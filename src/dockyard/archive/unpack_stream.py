"""Makes a tree of a stream as it comes, inside the namespace, without a second look at the stream.

The stream may come from anywhere: what would be made outside of the tree, or twice, is refused, for
a name is only ever made in a directory that came before and was made here.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import IO

from dockyard.archive.entry import DEVICES, Entry, Kind, path_text
from dockyard.archive.stream_reader import Member, read_stream
from dockyard.archive.unpack import dress, not_made, write_sparsely
from dockyard.errors import DockyardError, Problem
from dockyard.host import stopping

_PIECE = 1 << 20


def unpack_stream(
    stream: IO[bytes], into: Path, owner: Callable[[int], int] = int
) -> dict[str, str]:
    """Fill an empty directory, and give the SHA-256 of every file by its path.

    owner: the id here of one in the stream. Raises DockyardError for what is no stream, leads out
    of the tree, or cannot be made.
    """
    tree = _Tree(os.fsencode(into), owner)
    for member in read_stream(stream):
        stopping.check()
        try:
            tree.add(member)
        except OSError as error:
            raise DockyardError(not_made(member.entry, error)) from error
    tree.finish()
    return tree.digests


class _Tree:
    """A tree in the making. digests: of its files."""

    def __init__(self, root: bytes, owner: Callable[[int], int]) -> None:
        self.digests: dict[str, str] = {}
        self._root = root
        self._owner = owner
        self._directories: dict[bytes, Entry] = {}
        self._others: set[bytes] = set()

    def add(self, member: Member) -> None:
        """Make the next name of the stream."""
        entry = member.entry
        entry = replace(entry, uid=self._owner(entry.uid), gid=self._owner(entry.gid))
        path, full = entry.path, self._place(entry.path)
        if path in self._directories or path in self._others:
            raise _refused(path, "it comes twice")
        if path and entry.parent not in self._directories:
            raise _refused(path, "it is in no directory that came before it")
        if entry.kind is Kind.DIRECTORY:
            if path:
                os.mkdir(full, 0o700)  # noqa: PTH102 (bytes)
            self._directories[path] = entry
            return
        self._others.add(path)
        if entry.kind is Kind.HARDLINK:
            os.link(self._place(entry.target), full, follow_symlinks=False)
            if os.fsdecode(entry.target) in self.digests:
                self.digests[os.fsdecode(path)] = self.digests[os.fsdecode(entry.target)]
            return
        if entry.kind is Kind.SYMLINK:
            os.symlink(entry.target, full)  # noqa: PTH211 (bytes)
        elif entry.kind is Kind.FIFO:
            os.mkfifo(full, 0o600)
        elif entry.kind in DEVICES:
            format_ = 0o020000 if entry.kind is Kind.CHARACTER else 0o060000
            os.mknod(full, format_ | 0o600, os.makedev(*entry.rdev))
        else:
            self.digests[os.fsdecode(path)] = _write(member, full)
        dress(entry, full)

    def finish(self) -> None:
        """Give directories their attributes, now that nothing more is made in them."""
        if b"" not in self._directories:
            raise _refused(b"", "its root is missing")
        for path, entry in reversed(self._directories.items()):
            try:
                dress(entry, self._place(path))
            except OSError as error:
                raise DockyardError(not_made(entry, error)) from error

    def _place(self, path: bytes) -> bytes:
        return self._root + b"/" + path if path else self._root


def _write(member: Member, full: bytes) -> str:
    """Write the data of a file; gives its digest."""
    digest, done = hashlib.sha256(), 0
    number = os.open(
        full, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600
    )
    try:
        while piece := member.data.read(_PIECE):
            stopping.check()
            digest.update(piece)
            write_sparsely(number, piece, done)
            done += len(piece)
        if done != member.entry.size:
            raise _refused(member.entry.path, "its data are cut short")
        os.ftruncate(number, done)
    finally:
        os.close(number)
    return digest.hexdigest()


def _refused(path: bytes, why: str) -> DockyardError:
    return DockyardError(
        Problem(
            "archive.not-a-stream",
            "an archive could not be read",
            path_text(path),
            why=why,
            fix="make or fetch it again",
        )
    )
