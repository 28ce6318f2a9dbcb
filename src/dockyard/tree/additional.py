"""Additional files and directories of an image file.

Without permissions in the image file, a file has those of its source, less what lets others write:
a checkout under umask 002 gives the same image as one under 022, and a mode is never widened. A
directory that is made is 0755. What is made belongs to root; what is there keeps its owner.
"""

from __future__ import annotations

import os
import posixpath
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from dockyard.errors import DockyardError, Position, Problem, Severity
from dockyard.tree.check import Check
from dockyard.tree.file_facts import FileFact, file_checks
from dockyard.tree.setting import (
    Setting,
    Tree,
    fingerprint,
    missing_source,
    planned_content,
    source_digest,
)


@dataclass(frozen=True)
class AdditionalFileSetting:
    """One of `os.additionalFiles`: content given in place, or a source file. found: the digest and
    mode of the source when the build was planned.
    """

    destination: str
    source: Path | None = None
    content: str | None = None
    permissions: int | None = None
    position: Position | None = None
    found: tuple[str, int] | None = None

    def settled(self) -> AdditionalFileSetting:
        """The same, with what its source is now."""
        return replace(self, found=(self.digest, self.mode))

    @cached_property
    def digest(self) -> str:
        """`sha256:…` of what is to be written."""
        if self.found is not None:
            return self.found[0]
        if self.source is None:
            return fingerprint(self.content or "")
        return source_digest(self.source, self.position)

    @cached_property
    def mode(self) -> int:
        if self.permissions is not None:
            return self.permissions
        if self.found is not None:
            return self.found[1]
        return 0o644 if self.source is None else _source_mode(self.source)

    @property
    def identity(self) -> dict[str, Any]:
        return {"file": self.destination, "digest": self.digest, "mode": f"{self.mode:04o}"}

    def describe(self) -> str:
        return f"file {self.destination}, {self.mode:04o}"

    def apply(self, tree: Tree) -> None:
        data: Iterable[bytes] = [(self.content or "").encode()]
        if self.source is not None:
            data = planned_content(self.source, self.digest, self.position)
        tree.files.write(self.destination, data, mode=self.mode)

    def checks(self) -> list[Check]:
        title = f"{self.destination} has the content, mode and owner asked for"
        size = len((self.content or "").encode()) if self.source is None else _size(self.source)
        fact = _file_fact(self.destination, self.digest, self.mode, size)
        return file_checks(f"files.{self.destination}", title, [fact], self.position)


@dataclass(frozen=True)
class AdditionalDirectorySetting:
    """One of `os.additionalDirs`: a directory copied with all below it; symbolic links are copied
    as links. found: `content` when the build was planned.
    """

    source: Path
    destination: str
    new_directory_mode: int | None = None
    merged_directory_mode: int | None = None
    file_mode: int | None = None
    position: Position | None = None
    found: tuple[tuple[str, str, int], ...] | None = None

    def settled(self) -> AdditionalDirectorySetting:
        """The same, with what its source holds now."""
        return replace(self, found=self.content)

    @property
    def new_mode(self) -> int:
        """The mode of directories that are made."""
        return 0o755 if self.new_directory_mode is None else self.new_directory_mode

    @cached_property
    def content(self) -> tuple[tuple[str, str, int], ...]:
        """What is below the source, sorted: (path, digest or link target or "", mode)."""
        if self.found is not None:
            return self.found
        try:
            return tuple(self._walk(os.fspath(self.source), ""))
        except OSError as error:
            raise DockyardError(missing_source(self.source, self.position, error)) from error

    def _walk(self, directory: str, below: str) -> Iterator[tuple[str, str, int]]:
        """below: what stands before the names in it, with a slash at its end."""
        with os.scandir(directory) as found:
            items = sorted(found, key=lambda item: os.fsencode(item.name))
        for item in items:
            path = below + item.name
            if item.is_symlink():
                yield path, f"link:{Path(item.path).readlink()}", 0o777
            elif item.is_dir():
                yield path, "", self.new_mode
                yield from self._walk(item.path, f"{path}/")
            else:
                mode = _source_mode(item) if self.file_mode is None else self.file_mode
                yield path, source_digest(Path(item.path), self.position), mode

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

    def remarks(self) -> Iterator[Problem]:
        """A warning of scripts that nobody may execute: with Image Customizer everybody may."""
        closed = [
            path
            for path, digest, mode in self.content
            if digest.startswith("sha256:") and not mode & 0o111
            if self.file_mode is None and _begins_with(self.source / path, b"#!")
        ]
        if closed:
            more = f" and {len(closed) - 1} more" if len(closed) > 1 else ""
            yield Problem(
                "tree.not-executable",
                f"{self.target(closed[0])}{more} can be executed by nobody",
                self.position,
                "files keep the modes of their sources, and this one begins with #!",
                "chmod +x the source, or say childFilePermissions",
                severity=Severity.WARNING,
            )

    def apply(self, tree: Tree) -> None:
        self._directory(tree, self.destination)
        for path, value, mode in self.content:
            target = self.target(path)
            if value.startswith("link:"):
                tree.files.symlink(target, value.removeprefix("link:"))
            elif value:
                data = planned_content(self.source / path, value, self.position)
                tree.files.write(target, data, mode=mode)
            else:
                self._directory(tree, target)

    def target(self, path: str) -> str:
        """Where in the image something of the source comes to be."""
        return self._before + path

    @cached_property
    def _before(self) -> str:
        """What stands before the paths of the source in the image."""
        return str(PurePosixPath(self.destination, "x")).removesuffix("x")

    @cached_property
    def added(self) -> frozenset[str]:
        """Every file and link that it puts into an image, by its plain path there."""
        return frozenset(plain_path(self.target(path)) for path, value, _ in self.content if value)

    def _directory(self, tree: Tree, path: str) -> None:
        found = tree.files.lstat(path)
        if found is None:
            tree.files.make_directories(path, mode=self.new_mode)
        elif self.merged_directory_mode is not None:
            tree.files.set_attributes(
                path, mode=self.merged_directory_mode, uid=found.st_uid, gid=found.st_gid
            )

    def checks(self) -> list[Check]:
        """Files and links as they were copied. The directories between them may have been there,
        with modes and owners of their own: those are asked with the image's other files.
        """
        facts = []
        for path, value, mode in self.content:
            target = self.target(path)
            if value.startswith("link:"):
                link = value.removeprefix("link:")
                facts.append(FileFact(target, stat.S_IFLNK | 0o777, target=link))
            elif value:
                facts.append(_file_fact(target, value, mode, _size(self.source / path)))
        title = f"what was copied to {self.destination} is as it was given"
        return file_checks(f"dirs.{self.destination}", title, facts, self.position)


def added_paths(settings: Iterable[Setting]) -> set[str]:
    """Every file and link that settings put into an image from outside, by its plain path there."""
    found: set[str] = set()
    for setting in settings:
        match setting:
            case AdditionalFileSetting(destination=destination):
                found.add(plain_path(destination))
            case AdditionalDirectorySetting(added=added):
                found |= added
            case _:
                pass
    return found


def added_sizes(settings: Iterable[Setting]) -> dict[str, int]:
    """The bytes of every file that settings put into an image, by its plain path there."""
    found: dict[str, int] = {}
    for setting in settings:
        if isinstance(setting, AdditionalFileSetting):
            content = len((setting.content or "").encode())
            size = content if setting.source is None else _size(setting.source)
            found[plain_path(setting.destination)] = size
        elif isinstance(setting, AdditionalDirectorySetting):
            for path, value, _ in setting.content:
                if value and not value.startswith("link:"):
                    found[plain_path(setting.target(path))] = _size(setting.source / path)
    return found


def plain_path(path: str) -> str:
    """A path of an image, absolute and without `.`, `..` and doubled slashes."""
    return posixpath.normpath("/" + path.lstrip("/"))


def _file_fact(path: str, digest: str, mode: int, size: int) -> FileFact:
    return FileFact(path, stat.S_IFREG | mode, size=size, digest=digest.removeprefix("sha256:"))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0  # reading its bytes will tell what is wrong


def _begins_with(path: Path, text: bytes) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(text)) == text
    except OSError:
        return False  # reading its bytes will tell what is wrong


def _source_mode(path: Path | os.DirEntry[str]) -> int:
    try:
        return stat.S_IMODE(path.stat().st_mode) & 0o755
    except OSError:
        return 0o644  # reading its bytes will tell what is wrong
