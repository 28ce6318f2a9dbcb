"""An archive: the entries of a root tree in canonical order, and where the data of its
files are.

The data are not copied: each file's bytes stay in the tree, the stream or the memory where they
were found, which must not change while the archive is in use.
"""

from __future__ import annotations

import hashlib
import io
import os
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import BinaryIO, Protocol, cast

from dockyard.archive.entry import Entry, Kind, order, path_text
from dockyard.errors import DockyardError, Problem
from dockyard.host import seal, stopping


class Source(Protocol):
    """Something that holds the data of files by path, under every name of a hard-link group."""

    def open(self, path: bytes) -> BinaryIO:
        """Open a file's data from the beginning; raises OSError or KeyError."""
        ...


@dataclass(frozen=True)
class TreeSource:
    """A directory tree on the host: in the store, the directory of a sealed result, or in it."""

    root: Path

    def open(self, path: bytes) -> BinaryIO:
        number = os.open(self._prefix + path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        return cast(BinaryIO, io.FileIO(number, "rb"))

    def sealed_digest(self, path: bytes, opened: BinaryIO) -> str | None:
        """The digest that an open file was sealed with, where it was not touched since: it need
        not be read to know that it is what it was (docs/decisions/0016).
        """
        digests, below = self._seal
        return digests.of(below + os.fsdecode(path), os.fstat(opened.fileno()))

    @cached_property
    def _prefix(self) -> bytes:
        return os.fsencode(self.root) + b"/"

    @cached_property
    def _seal(self) -> tuple[seal.Digests, str]:
        """The seal of the tree's result, and what leads from there to the tree."""
        if (self.root / seal.NAME).is_file():
            return seal.Digests(self.root), ""
        return seal.Digests(self.root.parent), f"{self.root.name}/"


@dataclass(frozen=True, slots=True)
class GivenSource:
    """Bytes in memory, or files anywhere on the host."""

    data: Mapping[bytes, bytes | Path]

    def open(self, path: bytes) -> BinaryIO:
        found = self.data[path]
        if isinstance(found, bytes):
            return io.BytesIO(found)
        return cast(BinaryIO, io.FileIO(found, "rb"))


class Archive:
    """Entries in canonical order over the sources of their data. Never changed once made."""

    __slots__ = ("_positions", "entries", "source_of", "sources")

    def __init__(
        self,
        entries: Sequence[Entry],
        sources: Sequence[Source] = (),
        source_of: Sequence[int] = (),
    ) -> None:
        """entries: in canonical order, each path once, parents and hard-link targets there.
        source_of: for each entry the index in sources of what has its data; empty when it is the
        first for all.
        """
        self.entries = tuple(entries)
        self.sources = tuple(sources)
        given = source_of if len(source_of) else bytes(2 * len(self.entries))
        self.source_of = array("H", given)
        self._positions: dict[bytes, int] | None = None

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    @property
    def positions(self) -> dict[bytes, int]:
        """For each path the index of its entry."""
        if self._positions is None:
            self._positions = {entry.path: index for index, entry in enumerate(self.entries)}
        return self._positions

    def find(self, path: bytes) -> Entry | None:
        """The entry of a path, or None."""
        index = self.positions.get(path)
        return None if index is None else self.entries[index]

    def open(self, path: bytes) -> BinaryIO:
        """Open the data of a file; a hard link's is that of its target. Raises KeyError for a
        path that is not there, DockyardError when the data cannot be read.
        """
        index = self.positions[path]
        entry = self.entries[index]
        if entry.kind is Kind.HARDLINK:
            return self.open(entry.target)
        return self.open_at(index)

    def open_at(self, index: int) -> BinaryIO:
        """Open the data of the file that is the index-th entry."""
        stopping.check()
        path = self.entries[index].path
        try:
            return self.sources[self.source_of[index]].open(path)
        except (OSError, KeyError) as error:
            raise DockyardError(unreadable(path, error)) from error

    def is_as_listed(self, index: int, opened: BinaryIO) -> bool:
        """Whether the open data of the index-th entry are known to be what the entry says, without
        being read.
        """
        source, entry = self.sources[self.source_of[index]], self.entries[index]
        if entry.digest is None or not isinstance(source, TreeSource):
            return False
        return source.sealed_digest(entry.path, opened) == entry.digest

    def read(self, path: bytes) -> bytes:
        """The data of a file."""
        with self.open(path) as data:
            return data.read()

    def changed(self, change: Callable[[Entry], Entry]) -> Archive:
        """The same archive with every entry passed through `change`, which keeps paths, and what
        is a file, a directory or a link.
        """
        return Archive([change(entry) for entry in self.entries], self.sources, self.source_of)

    def with_digests(self, digests: Mapping[bytes, str]) -> Archive:
        """The same archive with the digests of its files, by the path of each one's first name."""

        def digested(entry: Entry) -> Entry:
            first = entry.target if entry.kind is Kind.HARDLINK else entry.path
            return replace(entry, digest=digests[first]) if first in digests else entry

        return self.changed(digested)

    @classmethod
    def from_entries(
        cls, entries: Iterable[Entry], data: Mapping[bytes, bytes | Path] | None = None
    ) -> Archive:
        """An archive of what is given in memory. Directories that are missing are added, mode 0755,
        with the times of the first entry in them. Sizes and digests are taken from the data.
        """
        given = dict(data or {})
        found: dict[bytes, Entry] = {}
        for entry in sorted(entries, key=lambda entry: order(entry.path)):
            if entry.path in found:
                raise ValueError(f"{path_text(entry.path)} is given twice")
            for parent in _missing_parents(entry, found):
                found[parent] = Entry(parent, Kind.DIRECTORY, 0o755, mtime_ns=entry.mtime_ns)
            if entry.kind is Kind.FILE:
                entry = _measured(entry, given.setdefault(entry.path, b""))
            elif entry.kind is Kind.HARDLINK:
                target = found.get(entry.target)
                if target is None or target.kind in (Kind.DIRECTORY, Kind.HARDLINK):
                    raise ValueError(f"{path_text(entry.path)} is not linked to an entry before it")
                entry = linked(entry.path, target)
                if target.kind is Kind.FILE:
                    given[entry.path] = given[target.path]
            found[entry.path] = entry
        ordered = sorted(found.values(), key=lambda entry: order(entry.path))
        return cls(ordered, (GivenSource(given),))


def linked(path: bytes, target: Entry) -> Entry:
    """A further name of a file: a HARDLINK entry with the attributes of its target."""
    return replace(target, path=path, kind=Kind.HARDLINK, target=target.path, rdev=(0, 0))


def unreadable(path: bytes, error: Exception) -> Problem:
    """What is wrong when something of a tree cannot be read."""
    why = error.strerror or str(error) if isinstance(error, OSError) else "there are no data for it"
    return Problem(
        code="archive.unreadable",
        what="a file of the image could not be read",
        where=path_text(path),
        why=str(why),
        fix="see that nothing else changes the tree while it is being packed",
    )


def changed_meanwhile(path: bytes, expected: int, found: int) -> Problem:
    """What is wrong when a file no longer has the number of bytes that it had."""
    return Problem(
        code="archive.changed-meanwhile",
        what="a file of the image changed while it was being packed",
        where=path_text(path),
        why=f"it had {expected} bytes, then {found}",
        fix="see that nothing else changes the tree while it is being packed",
    )


def require_digest(entry: Entry, found: str) -> None:
    """Raise DockyardError when what was read of a file is not what the archive lists."""
    if entry.digest and entry.digest != found:
        raise DockyardError(
            Problem(
                code="archive.damaged",
                what="a file of the image is not what it was when it was listed",
                where=path_text(entry.path),
                why="something else wrote to the store, or its disk is failing",
                fix="build again: what is damaged is found and made again; then check the disk",
            )
        )


def _missing_parents(entry: Entry, found: Mapping[bytes, Entry]) -> list[bytes]:
    missing, parent = [], entry.parent
    while entry.path and parent not in found:
        missing.append(parent)
        if not parent:
            break
        parent = parent.rpartition(b"/")[0]
    return missing


def _measured(entry: Entry, data: bytes | Path) -> Entry:
    if isinstance(data, bytes):
        return replace(entry, size=len(data), digest=hashlib.sha256(data).hexdigest())
    with open(data, "rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
        return replace(entry, size=opened.tell(), digest=digest)
