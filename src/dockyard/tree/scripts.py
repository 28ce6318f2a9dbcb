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
from tempfile import NamedTemporaryFile
from typing import Any

from dockyard.errors import DockyardError, Position, Problem
from dockyard.host.files import read_regular
from dockyard.host.process import ProcessFailed
from dockyard.tree.check import Check
from dockyard.tree.setting import Tree, fingerprint, missing_source

CONFIG_IN_TREE = "/run/dockyard/config"
SCRIPT_IN_TREE = "/run/dockyard/script"


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
    interpreter: str = ""
    arguments: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    hidden: tuple[Path, ...] = ()
    position: Position | None = None

    @cached_property
    def body(self) -> bytes:
        """The script's text; raises DockyardError when its file cannot be read."""
        if self.path is None:
            return (self.content or "").encode()
        try:
            return read_regular(self.path)
        except OSError as error:
            raise DockyardError(missing_source(self.path, self.position, error)) from error

    @property
    def program(self) -> tuple[str, ...]:
        """What runs the script: the interpreter given, else that of its `#!` line, else /bin/sh."""
        if self.interpreter:
            return tuple(self.interpreter.split())
        first = self.body.split(b"\n", 1)[0].decode(errors="replace")
        return tuple(first[2:].split(maxsplit=1)) if first.startswith("#!") else ("/bin/sh",)

    @cached_property
    def identity(self) -> dict[str, Any]:
        """Environment values may be secrets, so only their digests appear."""
        return {
            "script": self.name,
            "body": fingerprint(self.body),
            "interpreter": list(self.program),
            "arguments": list(self.arguments),
            "environment": {key: fingerprint(value) for key, value in self.environment},
            "beside": directory_digest(self.directory, self.hidden),
        }

    def describe(self) -> str:
        return f"script {self.name}"

    def apply(self, tree: Tree) -> None:
        with NamedTemporaryFile(prefix="script-") as given:
            given.write(self.body)
            given.flush()
            # Inside, the script is not its owner.
            os.fchmod(given.fileno(), 0o644)
            try:
                tree.run(
                    [*self.program, SCRIPT_IN_TREE, *self.arguments],
                    env=dict(self.environment),
                    read=[
                        (Path(given.name), SCRIPT_IN_TREE),
                        (self.directory, CONFIG_IN_TREE),
                        *self._nothing_over_hidden(),
                    ],
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
