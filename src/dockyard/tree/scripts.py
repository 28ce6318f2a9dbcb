"""Scripts of the user's that run inside the tree, in a sandbox without network.

A script starts in the image's root, and sees a copy of the directory of its image file read-only
at /_imageconfigs, as Image Customizer names it; one with a path is run from there. The copy has
exactly what is part of the step's identity, and nothing that version control and editors keep
there. The output of a script is shown when it fails.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

from dockyard.errors import DockyardError, Position, Problem
from dockyard.host import files
from dockyard.host.files import read_regular
from dockyard.host.process import ProcessFailed
from dockyard.tree.check import Check
from dockyard.tree.setting import Tree, fingerprint, missing_source, planned_content

CONFIG_IN_TREE = "/_imageconfigs"
SCRIPT_IN_TREE = "/run/dockyard/script"

# A path below a directory; its digest, its link's target or "" for a directory; its mode.
Beside: TypeAlias = tuple[str, str, int]


@dataclass(frozen=True)
class ScriptSetting:
    """One of `scripts.postCustomization` or `.finalizeCustomization`: a file or inline content.

    directory: of the image file that says it, which is what the script may read; all of its files
    shape the outcome.
    hidden: files in it that the script does not see and that do not shape it, such as the lock.
    found: `body` and `beside` when the build was planned.
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
    found: tuple[bytes, tuple[Beside, ...]] | None = None

    def settled(self) -> ScriptSetting:
        """The same, with its text and what is beside it now."""
        return replace(self, found=(self.body, self.beside))

    @cached_property
    def body(self) -> bytes:
        """The script's text; raises DockyardError when its file cannot be read."""
        if self.found is not None:
            return self.found[0]
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
    def beside(self) -> tuple[Beside, ...]:
        """What the script sees of its directory; raises DockyardError when it cannot be read."""
        if self.found is not None:
            return self.found[1]
        try:
            return tuple(_below(self.directory, self.directory, self.hidden))
        except OSError as error:
            path = Path(error.filename or self.directory)
            raise DockyardError(missing_source(path, self.position, error)) from error

    @property
    def at(self) -> str:
        """Where the script is in the tree while it runs."""
        if self.path is not None:
            path = os.path.relpath(self.path, self.directory)
            # A link may lead out of what the script sees.
            if any(path == each and what.startswith("sha256:") for each, what, _ in self.beside):
                return f"{CONFIG_IN_TREE}/{path}"
        return SCRIPT_IN_TREE

    @cached_property
    def identity(self) -> dict[str, Any]:
        """Environment values may be secrets, so only their digests appear."""
        return {
            "script": self.name,
            "at": self.at,
            "body": fingerprint(self.body),
            "interpreter": list(self.program),
            "arguments": list(self.arguments),
            "environment": {key: fingerprint(value) for key, value in self.environment},
            "beside": [list(each) for each in self.beside],
        }

    def describe(self) -> str:
        return f"script {self.name}"

    def without_program(self, has: Callable[[str], bool]) -> Problem | None:
        """The problem of a script that nothing in the image can run. has: tells whether a path is
        there.
        """
        program = self.program[0] if self.program else ""
        if not program.startswith("/") or has(program):
            return None
        return Problem(
            "tree.no-interpreter",
            f"the image has no {program}, which is to run the script {self.name}",
            self.position,
            why="`interpreter` says so" if self.interpreter else "its first line says so",
            fix="install the package that brings it, or name another interpreter; scripts run "
            "inside the image, with its programs",
        )

    def apply(self, tree: Tree) -> None:
        # Beside the tree, where there is room for what the user's directory holds.
        from tempfile import TemporaryDirectory

        with TemporaryDirectory(prefix="script-", dir=tree.path.parent) as name:
            given, view = Path(name, "script"), Path(name, "config")
            given.write_bytes(self.body)
            # Inside, the script is not its owner.
            given.chmod(0o644)
            Path(name).chmod(0o755)
            self._make_view(view, tree.epoch)
            try:
                with self._mount_point(tree.path):
                    tree.run(
                        [*self.program, self.at, *self.arguments],
                        env=dict(self.environment),
                        read=[(given, SCRIPT_IN_TREE), (view, CONFIG_IN_TREE)],
                    )
            except ProcessFailed as error:
                nothing = self.without_program(lambda path: tree.files.lstat(path) is not None)
                raise DockyardError(nothing or self._failed(error)) from error

    @contextmanager
    def _mount_point(self, root: Path) -> Iterator[None]:
        """A directory in the tree for what is mounted at CONFIG_IN_TREE, which leaves no trace."""
        place, before = root / CONFIG_IN_TREE[1:], root.stat()
        if os.path.lexists(place):
            raise DockyardError(
                Problem(
                    "tree.in-the-way",
                    f"{CONFIG_IN_TREE} of the image is in the way of: {self.describe()}",
                    self.position,
                    "scripts see the directory of their image file there",
                    "remove it from the image",
                )
            )
        names = set(root.iterdir())
        place.mkdir()
        try:
            yield
        finally:
            place.rmdir()
            if set(root.iterdir()) == names:
                os.utime(root, ns=(before.st_atime_ns, before.st_mtime_ns))

    def _make_view(self, view: Path, epoch: int) -> None:
        """Lay out what was digested, and nothing else: the script sees what shaped its step."""
        view.mkdir()
        directories = [view]
        for path, what, mode in self.beside:
            place = view / path
            if what.startswith("link:"):
                place.symlink_to(what.removeprefix("link:"))
            elif what:
                with place.open("wb") as file:
                    file.writelines(planned_content(self.directory / path, what, self.position))
                place.chmod(mode)
                os.utime(place, (epoch, epoch))
            else:
                place.mkdir()
                directories.append(place)
        for directory in directories:
            directory.chmod(0o755)
            os.utime(directory, (epoch, epoch))

    def _failed(self, error: ProcessFailed) -> Problem:
        completed = error.completed
        output = (completed.stdout + completed.stderr).decode(errors="replace").splitlines()
        return Problem(
            "tree.script-failed",
            f"the script {self.name} failed with status {completed.status}",
            self.position,
            fix="correct the script and build again; what was finished before it is reused",
            excerpt=tuple(output[-20:]),
        )

    def checks(self) -> list[Check]:
        return []


def _below(directory: Path, root: Path, hidden: tuple[Path, ...]) -> Iterator[Beside]:
    """What is below a directory, sorted, but for hidden files and what no script is meant to read:
    names that begin with a dot or end with a tilde, as those of version control and editors do.
    """
    for item in sorted(directory.iterdir(), key=lambda found: os.fsencode(found.name)):
        if item in hidden or item.name.startswith(".") or item.name.endswith("~"):
            continue
        path = str(item.relative_to(root))
        if item.is_symlink():
            yield path, f"link:{item.readlink()}", 0o777
        elif item.is_dir():
            yield path, "", 0o755
            yield from _below(item, root, hidden)
        elif item.is_file():
            mode = 0o755 if item.stat().st_mode & stat.S_IXUSR else 0o644
            yield path, f"sha256:{files.digest(item)}", mode
