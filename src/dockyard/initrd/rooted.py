"""Reads files of a root tree by the paths that they have in the running image.

Symbolic links are followed as the image itself would follow them: absolute targets start at the
tree's root and `..` never leaves it (the rule of chroot(2)), so that no link of an image can reach
a file of the host.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_MAX_LINKS = 40


@dataclass(frozen=True, slots=True)
class Trail:
    """Where a path leads: the real path (absolute in the image, free of links), and every link
    crossed on the way as (path, target) pairs in the order of crossing.
    """

    path: str
    links: tuple[tuple[str, str], ...]


class Rooted:
    """A root tree that is read, never written."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._base = os.fspath(root)

    def host(self, real: str) -> str:
        """The host's path of a real path (one without links, as `resolve` gives)."""
        return self._base + real

    def resolve(self, path: str) -> Trail | None:
        """Follow a path to its end; None where a part does not exist or links run in circles."""
        pending = [part for part in path.split("/") if part][::-1]
        at: list[str] = []
        links: list[tuple[str, str]] = []
        while pending:
            part = pending.pop()
            if part == ".":
                continue
            if part == "..":
                if at:
                    at.pop()
                continue
            here = "/" + "/".join([*at, part])
            try:
                mode = os.lstat(self.host(here)).st_mode
            except (FileNotFoundError, NotADirectoryError):
                return None
            if not stat.S_ISLNK(mode):
                at.append(part)
                continue
            target = os.readlink(self.host(here))  # noqa: PTH115
            links.append((here, target))
            if len(links) > _MAX_LINKS:
                return None
            if target.startswith("/"):
                at.clear()
            pending.extend(part for part in reversed(target.split("/")) if part)
        return Trail("/" + "/".join(at), tuple(links))

    def stat(self, path: str) -> os.stat_result | None:
        """The state of the file that a path leads to, or None."""
        trail = self.resolve(path)
        return os.lstat(self.host(trail.path)) if trail else None

    def is_file(self, path: str) -> bool:
        """Whether a path leads to a regular file."""
        found = self.stat(path)
        return found is not None and stat.S_ISREG(found.st_mode)

    def is_directory(self, path: str) -> bool:
        """Whether a path leads to a directory."""
        found = self.stat(path)
        return found is not None and stat.S_ISDIR(found.st_mode)

    def read(self, path: str) -> bytes | None:
        """The content of the regular file that a path leads to, or None."""
        trail = self.resolve(path)
        if trail is None or not stat.S_ISREG(os.lstat(self.host(trail.path)).st_mode):
            return None
        return Path(self.host(trail.path)).read_bytes()

    def text(self, path: str) -> str | None:
        """The content of a text file, or None; bytes that are not UTF-8 are replaced."""
        content = self.read(path)
        return None if content is None else content.decode(errors="replace")

    def names(self, path: str) -> Iterator[str]:
        """The names in the directory that a path leads to, sorted; none where there is none."""
        trail = self.resolve(path)
        if trail is not None and os.path.isdir(self.host(trail.path)):  # noqa: PTH112
            yield from sorted(os.listdir(self.host(trail.path)))  # noqa: PTH208
