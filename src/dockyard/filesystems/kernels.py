"""Which features a file system is made with: those that all who read it know, the image's kernel
and, where it holds /boot, GRUB.

What a program that makes file systems does by default follows the newest kernel; an image may have
an older one, which warns of such a feature, calls it experimental, or does not mount the file
system at all. Sources: for XFS the configurations per kernel that xfsprogs comes with and the
kernel's xfs_warn_experimental(); for ext4 the kernel's Documentation/filesystems/ext4; for Btrfs
what `mkfs.btrfs -O list-all` calls safe; for EROFS the history of fs/erofs; for GRUB what its
grub-core/fs refuses to mount (ext2.c, xfs.c, btrfs.c of each release).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

Version: TypeAlias = tuple[int, int]

# Taken for a file system whose image has no kernel: one of which every feature is long known.
UNKNOWN: Version = (5, 15)

# The oldest GRUB that images have: that of Enterprise Linux 9 and of Azure Linux 3.
OLDEST_GRUB: Version = (2, 6)

_ALWAYS: Version = (0, 0)
_NEVER: Version = (9999, 0)
_RELEASE = re.compile(r"(\d+)\.(\d+)")


@dataclass(frozen=True, slots=True)
class FilesystemFeature:
    """A feature, and the first kernel that calls it stable. group: what the program that makes the
    file system sorts it under, where it does so. grub: the first GRUB that reads file systems with
    it.
    """

    name: str
    since: Version
    group: str = ""
    grub: Version = _ALWAYS


EXT4 = (
    *(
        FilesystemFeature(name, _ALWAYS)
        for name in (
            *("sparse_super", "large_file", "filetype", "resize_inode", "dir_index", "ext_attr"),
            *("has_journal", "extent", "huge_file", "flex_bg", "metadata_csum", "64bit"),
            *("dir_nlink", "extra_isize"),
        )
    ),
    FilesystemFeature("metadata_csum_seed", (4, 4), grub=(2, 12)),
    FilesystemFeature("orphan_file", (5, 15)),
)

XFS = (
    FilesystemFeature("finobt", (3, 16), "-m"),
    FilesystemFeature("reflink", (4, 16), "-m"),
    FilesystemFeature("bigtime", (5, 15), "-m", grub=(2, 6)),
    FilesystemFeature("inobtcount", (5, 15), "-m"),
    FilesystemFeature("rmapbt", (6, 6), "-m"),
    # For realtime groups, which an image has none of.
    FilesystemFeature("metadir", _NEVER, "-m", grub=(2, 14)),
    FilesystemFeature("sparse", (4, 10), "-i"),
    FilesystemFeature("nrext64", (6, 5), "-i", grub=(2, 12)),
    FilesystemFeature("exchange", (6, 18), "-i", grub=(2, 14)),
    FilesystemFeature("parent", (6, 18), "-n", grub=(2, 14)),
)

BTRFS = (
    FilesystemFeature("extref", (3, 12)),
    FilesystemFeature("skinny-metadata", (3, 18)),
    FilesystemFeature("no-holes", (4, 0)),
    FilesystemFeature("free-space-tree", (4, 9)),
    FilesystemFeature("block-group-tree", (6, 6)),
)

# Algorithms; those beyond the first two are asked for by name only.
EROFS = (
    FilesystemFeature("lz4", (5, 4)),
    FilesystemFeature("lz4hc", (5, 4)),
    FilesystemFeature("lzma", (5, 16)),
    FilesystemFeature("zstd", (6, 10)),
)


def version(release: str | None) -> Version:
    """The first two numbers of a kernel's release, such as `6.12.107+deb13-cloud-amd64`."""
    found = _RELEASE.match(release or "")
    return (int(found[1]), int(found[2])) if found else UNKNOWN


def stable(
    features: Iterable[FilesystemFeature], release: str | None, *, grub: bool = False
) -> dict[str, bool]:
    """For each feature whether a kernel calls it stable; and where GRUB is to read the file system,
    whether every GRUB knows it.
    """
    kernel = version(release)
    return {
        feature.name: feature.since <= kernel and (not grub or feature.grub <= OLDEST_GRUB)
        for feature in features
    }


def switches(
    features: Iterable[FilesystemFeature], release: str | None, group: str, *, grub: bool = False
) -> str:
    """The features of a group as `name=1,other=0`."""
    chosen = [feature for feature in features if feature.group == group]
    found = stable(chosen, release, grub=grub)
    return ",".join(f"{name}={int(on)}" for name, on in found.items())
