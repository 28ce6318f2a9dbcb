"""What every setting of an image file can do: describe itself, be applied to a tree, be checked.

A setting holds all that it needs as data (a source file's digest, not only its name), so that its
identity tells whether its outcome may differ. It never looks at the host but for the files that it
names.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from dockyard.errors import DockyardError, Position, Problem
from dockyard.host.files import LARGEST_SOURCE, open_regular
from dockyard.tree.check import Check

if TYPE_CHECKING:
    from dockyard.host.in_root import InRoot
    from dockyard.host.process import Completed, ProcessFailed

_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Tree:
    """A root tree in work. path: where it is mounted. epoch: seconds, the time that programs are
    told.
    """

    path: Path
    files: InRoot
    epoch: int

    def run(self, argv: Sequence[str], **options: Any) -> Completed:
        """Run a program of the image in the tree (sandbox.run_in_tree), told that the system is
        not running.
        """
        from dockyard.host.sandbox import run_in_tree  # a plan needs it not

        env = {
            "SOURCE_DATE_EPOCH": str(self.epoch),
            "SYSTEMD_OFFLINE": "1",
            "HOME": "/root",
            **options.pop("env", {}),
        }
        return run_in_tree(self.path, argv, env=env, **options)


class Setting(Protocol):
    """One setting of an image file."""

    @property
    def identity(self) -> dict[str, Any]:
        """All that shapes what the setting does, as JSON values without secrets in plain text."""

    def describe(self) -> str:
        """One line for the plan."""

    def apply(self, tree: Tree) -> None:
        """Make it so in a tree. Raises DockyardError."""

    def checks(self) -> list[Check]:
        """How to ask a booted guest whether it is so."""


def fingerprint(data: bytes | str) -> str:
    """SHA-256 of a value, for identities of what is long or secret."""
    octets = data.encode() if isinstance(data, str) else data
    return f"sha256:{hashlib.sha256(octets).hexdigest()}"


def source_digest(path: Path, position: Position | None) -> str:
    """SHA-256 of a file of the user's; raises DockyardError at the position that names it."""
    try:
        with open_regular(path, LARGEST_SOURCE) as file:
            return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
    except OSError as error:
        raise DockyardError(missing_source(path, position, error)) from error


def planned_content(path: Path, digest: str, position: Position | None) -> Iterator[bytes]:
    """The bytes of a file of the user's that had a digest when the build was planned, in pieces.

    Raises DockyardError after the last when it has other bytes now: they are not what the step is
    named for.
    """
    found = hashlib.sha256()
    try:
        with open_regular(path, LARGEST_SOURCE) as file:
            while piece := file.read(_PIECE):
                found.update(piece)
                yield piece
    except OSError as error:
        raise DockyardError(missing_source(path, position, error)) from error
    if f"sha256:{found.hexdigest()}" != digest:
        raise DockyardError(
            Problem(
                "tree.source-changed",
                f"the file {path} changed while the image was built",
                position,
                why="it is not what it was when the build was planned",
                fix="build again, and leave the files of the image alone meanwhile; a log of the "
                "build goes to another directory",
            )
        )


def missing_source(path: Path, position: Position | None, error: OSError) -> Problem:
    """What is wrong when a file that the image file names cannot be read."""
    return Problem(
        code="tree.source-missing",
        what=f"the file {path} cannot be read",
        where=position,
        why=error.strerror or str(error),
        fix="paths are relative to the file that names them",
    )


def told_at(error: ProcessFailed, what: str, position: Position | None, fix: str) -> DockyardError:
    """A program's failure as the failure of a setting, at the place where the user asked for it."""
    (found,) = error.problems
    return DockyardError(
        Problem(
            "tree.setting-failed", what, position, why=found.what, fix=fix, excerpt=found.excerpt
        )
    )
