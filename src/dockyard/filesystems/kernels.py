"""Which features a file system is made with: those that the image's kernel calls stable.

What a program that makes file systems does by default follows the newest kernel; an image may have
an older one, which warns of such a feature, calls it experimental, or does not mount the file
system at all. Sources: for XFS the configurations per kernel that xfsprogs comes with and the
kernel's xfs_warn_experimental(); for ext4 the kernel's Documentation/filesystems/ext4; for Btrfs
what `mkfs.btrfs -O list-all` calls safe; for EROFS the history of fs/erofs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

Version: TypeAlias = tuple[int, int]

# Taken for a file system whose image has no kernel: one of which every feature is long known.
UNKNOWN: Version = (5, 15)

_ALWAYS: Version = (0, 0)
_NEVER: Version = (9999, 0)
_RELEASE = re.compile(r"(\d+)\.(\d+)")


@dataclass(frozen=True, slots=True)
class Feature:
    """A feature, and the first kernel that calls it stable. group: what the program that makes the
    file system sorts it under, where it does so.
    """

    name: str
    since: Version
    group: str = ""


EXT4 = (
    *(
        Feature(name, _ALWAYS)
        for name in (
            *("sparse_super", "large_file", "filetype", "resize_inode", "dir_index", "ext_attr"),
            *("has_journal", "extent", "huge_file", "flex_bg", "metadata_csum", "64bit"),
            *("dir_nlink", "extra_isize"),
        )
    ),
    Feature("metadata_csum_seed", (4, 4)),
    Feature("orphan_file", (5, 15)),
)

XFS = (
    Feature("finobt", (3, 16), "-m"),
    Feature("reflink", (4, 16), "-m"),
    Feature("bigtime", (5, 15), "-m"),
    Feature("inobtcount", (5, 15), "-m"),
    Feature("rmapbt", (6, 6), "-m"),
    Feature("metadir", _NEVER, "-m"),  # for realtime groups, which an image has none of
    Feature("sparse", (4, 10), "-i"),
    Feature("nrext64", (6, 5), "-i"),
    Feature("exchange", (6, 18), "-i"),
    Feature("parent", (6, 18), "-n"),
)

BTRFS = (
    Feature("extref", (3, 12)),
    Feature("skinny-metadata", (3, 18)),
    Feature("no-holes", (4, 0)),
    Feature("free-space-tree", (4, 9)),
    Feature("block-group-tree", (6, 6)),
)

# Algorithms; those beyond the first two are asked for by name only.
EROFS = (
    Feature("lz4", (5, 4)),
    Feature("lz4hc", (5, 4)),
    Feature("lzma", (5, 16)),
    Feature("zstd", (6, 10)),
)


def version(release: str | None) -> Version:
    """The first two numbers of a kernel's release, such as `6.12.107+deb13-cloud-amd64`."""
    found = _RELEASE.match(release or "")
    return (int(found[1]), int(found[2])) if found else UNKNOWN


def stable(features: Iterable[Feature], release: str | None) -> dict[str, bool]:
    """For each feature whether a kernel calls it stable."""
    kernel = version(release)
    return {feature.name: feature.since <= kernel for feature in features}


def switches(features: Iterable[Feature], release: str | None, group: str) -> str:
    """The features of a group as `name=1,other=0`."""
    chosen = [feature for feature in features if feature.group == group]
    return ",".join(f"{name}={int(on)}" for name, on in stable(chosen, release).items())
