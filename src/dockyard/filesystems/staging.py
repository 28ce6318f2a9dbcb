"""Lays an archive out as a directory for programs that can be fed nothing else.

They take files in the order in which the directory lists them. A tmpfs lists its names in the order
of their making or in the reverse of it, which differs between kernels: it is tried out, and the
names are made so that they are listed in canonical order everywhere.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from dockyard.archive import Archive, unpack
from dockyard.archive.entry import Entry
from dockyard.archive.flags import held
from dockyard.archive.named_ids import named_ids
from dockyard.errors import DockyardError, Problem
from dockyard.filesystems.limits import xattr_limit
from dockyard.host import mounts
from dockyard.host.namespace import MAPPED_IDS

_PROBES = tuple(f"{number}" for number in range(5))

IDS_RULE = xattr_limit(
    "foreign-id",
    "ACLs and capabilities that name ids above 65535, when it is written without root",
    lambda name, value: names_far_ids(name, value),
)


def names_far_ids(name: bytes, value: bytes) -> bool:
    """Whether an attribute names ids beyond those of the namespace."""
    return any(number >= MAPPED_IDS for number in named_ids(name, value))


def has_foreign_owner(entry: Entry) -> bool:
    """Whether an owner is beyond the ids of the namespace."""
    return entry.uid >= MAPPED_IDS or entry.gid >= MAPPED_IDS


@contextmanager
def staged(
    archive: Archive, beside: Path, whole: Callable[[Entry], bool] = lambda _: False
) -> Iterator[Path]:
    """The archive as a tree on a tmpfs that is mounted beside a path, inside the namespace.

    whole: which files have no holes.
    """
    at = beside.with_name(beside.name + ".tree")
    at.mkdir()
    try:
        with mounts.tmpfs(at):
            reverse = _lists_backwards(at)
            unpack(held(archive, ""), at, reverse=reverse, whole=whole)
            yield at
    finally:
        at.rmdir()


def _lists_backwards(directory: Path) -> bool:
    probe = directory / "probe"
    probe.mkdir()
    for name in _PROBES:
        (probe / name).touch()
    listed = tuple(os.listdir(probe))  # noqa: PTH208 (the order matters)
    shutil.rmtree(probe)
    if listed not in (_PROBES, _PROBES[::-1]):
        raise DockyardError(
            Problem(
                code="filesystems.unordered-tmpfs",
                what="this kernel lists the names of a tmpfs in no order",
                why="images made on this host would differ from run to run",
                fix="choose ext4 or erofs for this file system",
            )
        )
    return listed != _PROBES
