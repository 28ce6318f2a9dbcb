"""The tree of an image as programs in it would see it: links are followed, inside the image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from dockyard.archive import Archive, Entry, Kind

_MOST_LINKS = 40
_MOST_TEXT = 16 << 20
_MOST_CONTENT = 1 << 30


@dataclass(frozen=True, slots=True)
class Mounted:
    """A file system in its place. at: the path without slashes at its ends; empty for the root."""

    at: bytes
    archive: Archive


class Tree:
    """File systems put together. Paths are absolute text, as os.fsdecode gives it."""

    def __init__(self, mounted: Sequence[Mounted]) -> None:
        """mounted: the root, and what is mounted in it."""
        self.mounted = tuple(sorted(mounted, key=lambda each: each.at))

    @cached_property
    def _deepest(self) -> tuple[Mounted, ...]:
        return tuple(sorted(self.mounted, key=lambda each: -len(each.at)))

    def _place(self, path: bytes) -> tuple[Mounted, bytes]:
        for each in self._deepest:
            if not each.at or path == each.at or path.startswith(each.at + b"/"):
                return each, path[len(each.at) :].lstrip(b"/")
        raise KeyError(path)

    def entry(self, path: str) -> Entry | None:
        """What is at a path, links in it followed, and a last one too; None where nothing is."""
        found = self._resolved(path)
        return found and found[0].archive.find(found[1])

    def place(self, path: str) -> str | None:
        """Where a path is when all links in it are followed; None where nothing is."""
        found = self._resolved(path)
        if found is None or (found[1] and found[0].archive.find(found[1]) is None):
            return None
        whole = _joined(found[0].at, found[1]) if found[1] else found[0].at
        return "/" + whole.decode(errors="surrogateescape")

    def link(self, path: str) -> str | None:
        """Where a symbolic link leads, as it is written; None for what is none."""
        parent, _, name = path.rstrip("/").rpartition("/")
        above = self._resolved(parent or "/")
        if above is None:
            return None
        where, at = above
        entry = where.archive.find(_joined(at, name.encode(errors="surrogateescape")))
        if entry is None or entry.kind is not Kind.SYMLINK:
            return None
        return entry.target.decode(errors="surrogateescape")

    def _resolved(self, path: str) -> tuple[Mounted, bytes] | None:
        parts = path.encode(errors="surrogateescape").strip(b"/").split(b"/")
        pending, at, links = [part for part in reversed(parts) if part], b"", 0
        while pending:
            part = pending.pop()
            if part == b".":
                continue
            if part == b"..":
                at = at.rpartition(b"/")[0]
                continue
            below = _joined(at, part)
            mounted, inside = self._place(below)
            entry = mounted.archive.find(inside)
            if entry is None:
                return None
            if entry.kind is not Kind.SYMLINK:
                at = below
                continue
            links += 1
            if links > _MOST_LINKS:
                return None
            if entry.target.startswith(b"/"):
                at = b""
            pending += [each for each in reversed(entry.target.split(b"/")) if each]
        return self._place(at)

    def _file(self, path: str) -> tuple[Archive, bytes, int] | None:
        """Where a regular file is: the archive, the path in it, its size. None where none is."""
        found = self._resolved(path)
        entry = found and found[0].archive.find(found[1])
        if found is None or entry is None or entry.kind not in (Kind.FILE, Kind.HARDLINK):
            return None
        return found[0].archive, found[1], entry.size

    def whole(self, path: str, most: int) -> bytes | None:
        """The content of a regular file of at most so many bytes; None where there is none."""
        if (found := self._file(path)) is None:
            return None
        archive, at, size = found
        return archive.read(at) if size <= most else None

    def head(self, path: str, length: int) -> bytes:
        """The first bytes of a regular file; none where there is none."""
        if (found := self._file(path)) is None:
            return b""
        archive, at, _ = found
        with archive.open(at) as data:
            return data.read(length)

    def content(self, path: str) -> bytes | None:
        """The content of a regular file of up to 1 GiB; None where there is none."""
        return self.whole(path, _MOST_CONTENT)

    def text(self, path: str) -> str | None:
        """The content of a regular file of up to 16 MiB as text; None where there is none."""
        data = self.whole(path, _MOST_TEXT)
        return None if data is None else data.decode(errors="replace")

    def names(self, directory: str) -> tuple[str, ...]:
        """The names in a directory, in order; none where there is no such directory."""
        found = self._resolved(directory)
        if found is None:
            return ()
        where, at = found
        listed = self._listings[where.at].get(at, ())
        return tuple(name.decode(errors="surrogateescape") for name in listed)

    @cached_property
    def _listings(self) -> dict[bytes, dict[bytes, list[bytes]]]:
        return {each.at: _listing(each.archive) for each in self.mounted}

    def entries(self) -> Iterator[tuple[str, Entry]]:
        """Every path but those that something is mounted over, with its entry."""
        for each in self.mounted:
            for entry in each.archive:
                path = _joined(each.at, entry.path) if entry.path else each.at
                if self._place(path)[0] is each:
                    yield "/" + path.decode(errors="surrogateescape"), entry


def _joined(at: bytes, name: bytes) -> bytes:
    return at + b"/" + name if at else name


def _listing(archive: Archive) -> dict[bytes, list[bytes]]:
    found: dict[bytes, list[bytes]] = {}
    for entry in archive:
        if entry.path:
            found.setdefault(entry.parent, []).append(entry.name)
    return found
