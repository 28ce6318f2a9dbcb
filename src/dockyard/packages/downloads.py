"""Looks after the blobs of a store: how many there are, which are damaged, which nobody needs."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from dockyard.host import files, stopping
from dockyard.packages.blobs import Blobs, digest_of_file


@dataclass(frozen=True, slots=True)
class Download:
    """A blob. size: bytes of disk. fetched: when, in seconds since 1970."""

    digest: str
    path: Path
    size: int
    fetched: float


def downloads(blobs: Blobs) -> Iterator[Download]:
    """All blobs that are there, in the order of their digests."""
    for path in sorted((blobs.root / "sha256").glob("??/*")):
        try:
            found = path.stat()
        except FileNotFoundError:  # removed just now
            continue
        digest = f"sha256:{path.name}"
        yield Download(digest, path, found.st_blocks * 512, found.st_mtime)


def is_damaged(download: Download) -> bool:
    """Whether a blob is not what its name says; reads all of it."""
    stopping.check()
    return digest_of_file(download.path) != download.digest


def unneeded(blobs: Blobs, needed: Collection[str], before: float) -> list[Download]:
    """The blobs that are not needed and were fetched before a time (seconds since 1970): what was
    fetched after it may be needed by who is at work.
    """
    return [
        each for each in downloads(blobs) if each.digest not in needed and each.fetched < before
    ]


def remove_abandoned(blobs: Blobs, before: float) -> int:
    """Remove what was begun to be fetched and was not gone on with since a time; gives how many
    files.
    """
    count = 0
    for path in (blobs.root / "partial").glob("*"):
        if path.stat().st_mtime < before and files.remove_lock(path):
            count += 1
    return count
