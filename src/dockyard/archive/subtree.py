"""Cuts an archive where file systems are mounted: the part below a directory, and what is left."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import BinaryIO

from dockyard.archive.archive import Archive, Source
from dockyard.archive.entry import Entry, Kind, order


@dataclass(frozen=True, slots=True)
class _Below:
    """A source seen from a directory in it."""

    source: Source
    directory: bytes

    def open(self, path: bytes) -> BinaryIO:
        return self.source.open(self.directory + b"/" + path)


def subtree(archive: Archive, at: bytes, without: Collection[bytes] = ()) -> Archive:
    """The archive of what is below a directory, which becomes the root.

    at: a path in the archive; empty for its root. without: directories below it that stay as empty
    directories, because other file systems are mounted there. A hard link whose first name is
    outside becomes the first name.
    """
    prefix = at + b"/" if at else b""
    cuts = tuple(path + b"/" for path in without)
    entries: list[Entry] = []
    source_of: list[int] = []
    # The first name inside, by the first name in the whole archive.
    first: dict[bytes, Entry] = {}
    for entry, source in zip(archive.entries, archive.source_of, strict=True):
        inside = entry.path == at or entry.path.startswith(prefix)
        if not inside or entry.path.startswith(cuts):
            continue
        moved = replace(entry, path=entry.path[len(prefix) :]) if prefix else entry
        if entry.kind is Kind.HARDLINK:
            known = first.get(entry.target)
            if known is None:
                original = archive.entries[archive.positions[entry.target]]
                moved = replace(original, path=moved.path)
                first[entry.target] = moved
            else:
                moved = replace(moved, target=known.path)
        elif entry.kind is not Kind.DIRECTORY:
            first[entry.path] = moved
        entries.append(moved)
        source_of.append(source)
    if not entries or entries[0].path:
        entries.insert(0, Entry(b"", Kind.DIRECTORY, 0o755))
        source_of.insert(0, 0)
    sources = archive.sources if not at else tuple(_Below(s, at) for s in archive.sources)
    return Archive(entries, sources, source_of)


@dataclass(frozen=True, slots=True)
class _Above:
    """A source seen from a directory above it."""

    source: Source
    directory: bytes

    def open(self, path: bytes) -> BinaryIO:
        return self.source.open(path.removeprefix(self.directory + b"/"))


def joined(archive: Archive, at: bytes, content: Archive) -> Archive:
    """An archive with another one in place of what is below a directory, as mount(8) shows it. The
    directory itself has the attributes of the other's root; directories above are there.
    """
    prefix = at + b"/"
    placed = [
        (entry, source)
        for entry, source in zip(archive.entries, archive.source_of, strict=True)
        if entry.path != at and not entry.path.startswith(prefix)
    ]
    for entry, source in zip(content.entries, content.source_of, strict=True):
        target = prefix + entry.target if entry.kind is Kind.HARDLINK else entry.target
        path = prefix + entry.path if entry.path else at
        placed.append((replace(entry, path=path, target=target), source + len(archive.sources)))
    placed.sort(key=lambda pair: order(pair[0].path))
    sources = (*archive.sources, *(_Above(source, at) for source in content.sources))
    return Archive([entry for entry, _ in placed], sources, [source for _, source in placed])


def planted(archive: Archive, at: bytes, content: Archive) -> Archive:
    """The entries of an archive with another one's in place of what is below a directory.

    To be listed: where the data of the files are is not kept.
    """
    kept = [entry for entry in archive if not entry.path.startswith(at + b"/")]
    for entry in content:
        if entry.path:
            target = at + b"/" + entry.target if entry.kind is Kind.HARDLINK else entry.target
            kept.append(replace(entry, path=at + b"/" + entry.path, target=target))
    return Archive(sorted(kept, key=lambda entry: order(entry.path)))
