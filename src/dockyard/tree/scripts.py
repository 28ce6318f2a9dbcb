"""Scripts of the user's that run inside the tree, in a sandbox without network.

A script sees the image as its root, and the directory of its image file read-only at
/run/dockyard/config, which is also where it starts. Its output is shown when it fails.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from dockyard.errors import DockyardError, Position, Problem
from dockyard.host.process import ProcessFailed
from dockyard.tree.check import Check
from dockyard.tree.setting import Tree, fingerprint, source_digest

CONFIG_IN_TREE = "/run/dockyard/config"


@dataclass(frozen=True)
class Script:
    """One of `scripts.postCustomization` or `.finalizeCustomization`: a file or inline content.

    directory: what the script may read beside itself; all of its files shape the outcome.
    hidden: files in it that the script does not see and that do not shape it, such as the lock.
    """

    name: str
    directory: Path
    path: Path | None = None
    content: str | None = None
    interpreter: str = "/bin/sh"
    arguments: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    hidden: tuple[Path, ...] = ()
    position: Position | None = None

    @cached_property
    def identity(self) -> dict[str, Any]:
        """Environment values may be secrets, so only their digests appear."""
        body = fingerprint(self.content) if self.content is not None else None
        return {
            "script": self.name,
            "body": source_digest(self.path, self.position) if self.path else body,
            "interpreter": self.interpreter,
            "arguments": list(self.arguments),
            "environment": {key: fingerprint(value) for key, value in self.environment},
            "beside": directory_digest(self.directory, self.hidden),
        }

    def describe(self) -> str:
        return f"script {self.name}"

    def apply(self, tree: Tree) -> None:
        if self.content is not None:
            argv = [self.interpreter, "-c", self.content, self.name, *self.arguments]
        else:
            assert self.path is not None
            inside = f"{CONFIG_IN_TREE}/{self.path.relative_to(self.directory)}"
            argv = [self.interpreter, inside, *self.arguments]
        try:
            tree.run(
                argv,
                env=dict(self.environment),
                read=[(self.directory, CONFIG_IN_TREE), *self._nothing_over_hidden()],
                cwd=CONFIG_IN_TREE,
            )
        except ProcessFailed as error:
            raise DockyardError(self._failed(error)) from error

    def _nothing_over_hidden(self) -> list[tuple[Path, str]]:
        return [
            (Path("/dev/null"), f"{CONFIG_IN_TREE}/{path.relative_to(self.directory)}")
            for path in self.hidden
            if path.is_file() and path.is_relative_to(self.directory)
        ]

    def _failed(self, error: ProcessFailed) -> Problem:
        completed = error.completed
        output = (completed.stdout + completed.stderr).decode(errors="replace").splitlines()
        return Problem(
            "tree.script-failed",
            f"the script {self.name} failed with status {completed.status}",
            self.position,
            fix="mend the script and build again; what was finished before it is reused",
            excerpt=tuple(output[-20:]),
        )

    def checks(self) -> list[Check]:
        return []


def directory_digest(directory: Path, hidden: tuple[Path, ...] = ()) -> str:
    """SHA-256 over the names and bytes of all regular files below a directory, but for hidden ones
    and those whose name begins with a dot.
    """
    digest = hashlib.sha256()
    for path in _files_below(directory):
        if path in hidden:
            continue
        name = os.fsencode(path.relative_to(directory))
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").digest()
        digest.update(len(name).to_bytes(4, "big") + name + content)
    return f"sha256:{digest.hexdigest()}"


def _files_below(directory: Path) -> Iterator[Path]:
    for item in sorted(directory.iterdir(), key=lambda found: os.fsencode(found.name)):
        if item.name.startswith(".") or item.is_symlink():
            continue
        if item.is_dir():
            yield from _files_below(item)
        elif item.is_file():
            yield item
