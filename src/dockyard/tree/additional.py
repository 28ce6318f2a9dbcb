"""Additional files and directories of an image file.

Modes do not follow the builder's umask or checkout: without permissions in the image file, a file
is 0755 when its source is executable and 0644 otherwise, and a directory that is made is 0755.
Everything belongs to root.
"""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from dockyard.errors import DockyardError, Position
from dockyard.tree.check import Check
from dockyard.tree.setting import Tree, fingerprint, missing_source, read_planned, source_digest


@dataclass(frozen=True)
class AdditionalFile:
    """One of `os.additionalFiles`: content given in place, or a source file."""

    destination: str
    source: Path | None = None
    content: str | None = None
    permissions: int | None = None
    position: Position | None = None

    @cached_property
    def digest(self) -> str:
        """`sha256:…` of what is to be written."""
        if self.source is None:
            return fingerprint(self.content or "")
        return source_digest(self.source, self.position)

    @cached_property
    def mode(self) -> int:
        if self.permissions is not None:
            return self.permissions
        return 0o644 if self.source is None else _plain_mode(self.source)

    @property
    def identity(self) -> dict[str, Any]:
        return {"file": self.destination, "digest": self.digest, "mode": f"{self.mode:04o}"}

    def describe(self) -> str:
        return f"file {self.destination}, {self.mode:04o}"

    def apply(self, tree: Tree) -> None:
        data = (self.content or "").encode()
        if self.source is not None:
            data = read_planned(self.source, self.digest, self.position)
        tree.files.write(self.destination, data, mode=self.mode)

    def checks(self) -> list[Check]:
        return [
            file_check(
                f"files.{self.destination}", self.destination, self.digest, self.mode, self.position
            )
        ]


@dataclass(frozen=True)
class AdditionalDirectory:
    """One of `os.additionalDirs`: a directory copied with all below it; symbolic links are copied
    as links.
    """

    source: Path
    destination: str
    new_directory_mode: int | None = None
    merged_directory_mode: int | None = None
    file_mode: int | None = None
    position: Position | None = None

    @property
    def new_mode(self) -> int:
        """The mode of directories that are made."""
        return 0o755 if self.new_directory_mode is None else self.new_directory_mode

    @cached_property
    def content(self) -> tuple[tuple[str, str, int], ...]:
        """What is below the source, sorted: (path, digest or link target or "", mode)."""
        try:
            return tuple(self._walk(self.source, PurePosixPath()))
        except OSError as error:
            raise DockyardError(missing_source(self.source, self.position, error)) from error

    def _walk(self, directory: Path, below: PurePosixPath) -> Iterator[tuple[str, str, int]]:
        for item in sorted(directory.iterdir(), key=lambda found: os.fsencode(found.name)):
            path = str(below / item.name)
            if item.is_symlink():
                yield path, f"link:{item.readlink()}", 0o777
            elif item.is_dir():
                yield path, "", self.new_mode
                yield from self._walk(item, below / item.name)
            else:
                mode = _plain_mode(item) if self.file_mode is None else self.file_mode
                yield path, source_digest(item, self.position), mode

    @property
    def identity(self) -> dict[str, Any]:
        merged = self.merged_directory_mode
        return {
            "directory": self.destination,
            "new": f"{self.new_mode:04o}",
            "merged": None if merged is None else f"{merged:04o}",
            "content": [list(item) for item in self.content],
        }

    def describe(self) -> str:
        return f"directory {self.destination}, {len(self.content)} entries"

    def apply(self, tree: Tree) -> None:
        self._directory(tree, self.destination)
        for path, value, mode in self.content:
            target = f"{self.destination}/{path}"
            if value.startswith("link:"):
                tree.files.symlink(target, value.removeprefix("link:"))
            elif value:
                data = read_planned(self.source / path, value, self.position)
                tree.files.write(target, data, mode=mode)
            else:
                self._directory(tree, target)

    def _directory(self, tree: Tree, path: str) -> None:
        if tree.files.lstat(path) is None:
            tree.files.make_directories(path, mode=self.new_mode)
        elif self.merged_directory_mode is not None:
            tree.files.set_attributes(path, mode=self.merged_directory_mode, uid=0, gid=0)

    def checks(self) -> list[Check]:
        found = []
        for path, value, mode in self.content:
            target = f"{self.destination}/{path}"
            if value.startswith("sha256:"):
                found.append(file_check(f"dirs.{target}", target, value, mode, self.position))
        return found


def file_check(name: str, path: str, digest: str, mode: int, position: Position | None) -> Check:
    """The check that a file has these bytes and this mode, and belongs to root."""
    quoted = shlex.quote(path)
    script = f"stat -c '%a %U:%G' {quoted} && sha256sum < {quoted} | cut -d' ' -f1"
    expect = f"{mode:o} root:root\n{digest.removeprefix('sha256:')}"
    return Check(name, f"{path} has the content and mode asked for", script, expect, position)


def _plain_mode(path: Path) -> int:
    try:
        executable = path.stat().st_mode & stat.S_IXUSR
    except OSError:
        return 0o644  # reading its bytes will tell what is wrong
    return 0o755 if executable else 0o644
