"""A tree whose boot files are read and replaced."""

from __future__ import annotations

import os
import shutil
from pathlib import Path, PurePosixPath
from stat import S_ISLNK

from dockyard.host.in_root import InRoot

_MOST_LINKS = 40
_ABSENT = (FileNotFoundError, NotADirectoryError, IsADirectoryError)


class BootTree:
    """Paths are absolute, and are resolved inside the tree."""

    def __init__(self, at: Path, inside: InRoot) -> None:
        self.at = at
        self._inside = inside

    def names(self, directory: str) -> list[str]:
        """The sorted names in a directory; none where there is none."""
        return self._inside.names(directory)

    def content(self, path: str) -> bytes | None:
        """What a regular file holds; None where there is none."""
        try:
            return self._inside.read(path)
        except _ABSENT:
            return None

    def text(self, path: str) -> str:
        """The text of a file; empty where there is none."""
        return (self.content(path) or b"").decode(errors="surrogateescape")

    def is_there(self, path: str) -> bool:
        return self._inside.lstat(path) is not None

    def replace(self, path: str, data: bytes | str | Path) -> None:
        """Write a file; one that is there keeps its owner, mode and attributes, and links to it
        stay. data: a Path is a file of the host.
        """
        path = self._followed(path)
        old = self._inside.lstat(path)
        kept = self._attributes(path) if old is not None else {}
        mode, uid, gid = (old.st_mode & 0o7777, old.st_uid, old.st_gid) if old else (0o644, 0, 0)
        if isinstance(data, str):
            data = data.encode(errors="surrogateescape")
        if isinstance(data, Path):
            with data.open("rb") as file:
                self._inside.write(path, iter(lambda: file.read(1 << 20), b""),
                                   mode=mode, uid=uid, gid=gid)  # fmt: skip
        else:
            self._inside.write(path, data, mode=mode, uid=uid, gid=gid)
        for name, value in kept.items():
            os.setxattr(self._plain(path), name, value, follow_symlinks=False)

    def remove(self, path: str) -> None:
        """Remove a file, link or directory with all that is in it."""
        found = self._inside.lstat(path)
        if found is None:
            return
        plain = self._plain(path)
        if plain.is_dir() and not plain.is_symlink():
            shutil.rmtree(plain)
        else:
            self._inside.remove(path)

    def _followed(self, path: str) -> str:
        """A path without a symbolic link at its end."""
        for _ in range(_MOST_LINKS):
            found = self._inside.lstat(path)
            if found is None or not S_ISLNK(found.st_mode):
                break
            path = str(PurePosixPath(path).parent / self._inside.read_link(path))
        return path

    def _plain(self, path: str) -> Path:
        """Where a path is: links in the directories above it are followed inside the tree."""
        above, _, name = path.rstrip("/").rpartition("/")
        return self.at / self._inside.directory(above or "/") / name

    def _attributes(self, path: str) -> dict[str, bytes]:
        plain = self._plain(path)
        names = os.listxattr(plain, follow_symlinks=False)
        return {name: os.getxattr(plain, name, follow_symlinks=False) for name in names
                if not name.startswith("trusted.overlay")}  # fmt: skip
