"""Resolves paths of packages through links of directories that packages have: where `bin` is a link
to `usr/bin`, what a package calls `bin/sh` is at `usr/bin/sh`.
"""

from __future__ import annotations

from collections.abc import Iterable

_MOST = 40  # as the kernel has it


class Links:
    """The symbolic links of a set of packages. Paths are relative to the root."""

    def __init__(self, links: Iterable[tuple[bytes, bytes]]) -> None:
        """links: path and target of each."""
        self._targets: dict[bytes, bytes] = {}
        self._known: dict[bytes, bytes] = {b"": b""}
        # Links that are reached through others come after them.
        for path, target in sorted(links, key=lambda link: (link[0].count(b"/"), link)):
            self._targets.setdefault(self.resolved(path), target)
            self._known = {b"": b""}

    def resolved(self, path: bytes) -> bytes:
        """A path without links above its last name."""
        above, _, name = path.rpartition(b"/")
        directory = self._directory(above, _MOST)
        return directory + b"/" + name if directory else name

    def _directory(self, path: bytes, left: int) -> bytes:
        """The place of a directory; a link that leads in circles is left as it is."""
        known = self._known.get(path)
        if known is not None:
            return known
        above, _, name = path.rpartition(b"/")
        directory = self._directory(above, left)
        place = directory + b"/" + name if directory else name
        target = self._targets.get(place)
        if target is not None and left:
            place = self._followed(directory, target, left - 1)
        self._known[path] = place
        return place

    def _followed(self, directory: bytes, target: bytes, left: int) -> bytes:
        place = b"" if target.startswith(b"/") else directory
        for part in target.split(b"/"):
            if part == b"..":
                place = place.rpartition(b"/")[0]
            elif part not in (b"", b"."):
                place = self._directory(place + b"/" + part if place else part, left)
        return place
