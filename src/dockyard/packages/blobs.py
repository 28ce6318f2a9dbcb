"""Fetched files by content: `<root>/sha256/<first two hex digits>/<64 hex digits>`.

A blob is there whole or not at all: it is written beside its place, synced and renamed. The same
layout in any directory serves as an offline mirror of a lock.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import IO

from dockyard.errors import DockyardError, Position, Problem

_ALGORITHM = "sha256"


def split_digest(digest: str) -> str:
    """The hex digits of `sha256:<hex>`. Raises ValueError for any other form."""
    algorithm, _, value = digest.partition(":")
    if algorithm != _ALGORITHM or len(value) != 64 or set(value) - set("0123456789abcdef"):
        raise ValueError(f"not a digest of the form sha256:<64 hex digits>: {digest!r}")
    return value


def digest_of(data: bytes) -> str:
    """`sha256:<hex>` of some bytes."""
    return f"{_ALGORITHM}:{hashlib.sha256(data).hexdigest()}"


def digest_of_file(path: Path) -> str:
    """`sha256:<hex>` of a file."""
    with path.open("rb") as source:
        return f"{_ALGORITHM}:{hashlib.file_digest(source, _ALGORITHM).hexdigest()}"


class Blobs:
    """A directory of blobs. Several processes may use it at once."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @classmethod
    def of_store(cls, store: Path) -> Blobs:
        """The blobs of a store."""
        return cls(store / "blobs")

    def path(self, digest: str) -> Path:
        """Where a blob is, or would be."""
        value = split_digest(digest)
        return self.root / _ALGORITHM / value[:2] / value

    def has(self, digest: str) -> bool:
        return self.path(digest).is_file()

    def existing(self, digest: str, label: str) -> Path:
        """Where a blob is. label: what it is, for people. Raises DockyardError (`fetch.removed`)
        when it is not there.
        """
        path = self.path(digest)
        if not path.is_file():
            raise DockyardError(
                Problem(
                    "fetch.removed",
                    f"{label} was removed from the store while it was in use",
                    str(self.root),
                    fix="run the command again: it is fetched anew",
                )
            )
        return path

    def whole(self, digest: str, label: str) -> Path:
        """The same for a blob that is still what its digest says; all of it is read. Raises
        DockyardError (`fetch.damaged`) when it is not, and removes it, so that it is fetched again.
        """
        path = self.existing(digest, label)
        if digest_of_file(path) != digest:
            path.unlink(missing_ok=True)
            raise DockyardError(
                Problem(
                    "fetch.damaged",
                    f"{label} was damaged in the store",
                    str(path),
                    why="something wrote to it, or the disk forgets: its digest is another now",
                    fix="run the command again: it was removed, and is fetched again",
                )
            )
        return path

    def partial(self, digest: str) -> Path:
        """Where the beginning of a blob is while it is fetched. Its directory is made."""
        directory = self.root / "partial"
        directory.mkdir(parents=True, exist_ok=True)
        return directory / f"{split_digest(digest)}.part"

    def read(self, digest: str) -> bytes:
        return self.path(digest).read_bytes()

    def add_bytes(self, data: bytes) -> str:
        """Keep some bytes; gives their digest."""
        digest = digest_of(data)
        if not self.has(digest):
            with self._temporary() as file:
                file.write(data)
                self._publish(file, digest)
        return digest

    def adopt(self, path: Path, digest: str) -> None:
        """Move a file of this file system, that is known to have the digest, to its place."""
        with path.open("rb") as file:
            os.fsync(file.fileno())
        path.chmod(0o644)
        place = self.path(digest)
        place.parent.mkdir(parents=True, exist_ok=True)
        path.rename(place)

    def _temporary(self) -> IO[bytes]:
        from tempfile import NamedTemporaryFile

        directory = self.root / "partial"
        directory.mkdir(parents=True, exist_ok=True)
        return NamedTemporaryFile(dir=directory, prefix="new-", delete=False)

    def _publish(self, file: IO[bytes], digest: str) -> None:
        file.flush()
        self.adopt(Path(file.name), digest)


def mismatch(
    label: str, expected: str, found: str, source: str, where: Position | str | None = None
) -> Problem:
    """The problem of a file that is not what its pin says. where: the pin; default: the source."""
    return Problem(
        code="fetch.digest-mismatch",
        what=f"{label} is not the file that was pinned",
        where=where or source,
        why=f"{source}\nhas        {found}\nthe pin is {expected}",
        fix=(
            "do not use that source before you know why the file changed; "
            "if it was replaced on purpose, make a new lock"
        ),
    )
