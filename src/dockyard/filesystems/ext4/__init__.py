"""ext4: written by mke2fs and debugfs of e2fsprogs, read by our own reader."""

from __future__ import annotations

import struct
from pathlib import Path

from dockyard.archive import Archive
from dockyard.filesystems.ext4 import reader
from dockyard.filesystems.ext4.features import kept
from dockyard.filesystems.ext4.writer import flags, minimum_size, most_for_files, refuse, write
from dockyard.filesystems.image import Image, path_of, reading
from dockyard.host.sandbox import Tools

__all__ = [
    "features_of", "flags", "minimum_size", "most_for_files", "needs", "read", "refuse", "write",
]  # fmt: skip

needs = "main"
SUPERBLOCK_AT = 1024


def features_of(image: Image) -> str:
    """The features of an ext2, ext3 or ext4 that one made in its place has as well: see `writer`.
    Raises OSError.
    """
    with open(path_of(image), "rb") as opened:
        opened.seek((0 if isinstance(image, Path) else image.start) + SUPERBLOCK_AT)
        return ",".join(kept(*struct.unpack_from("<III", opened.read(1024), 0x5C)))


def read(
    image: Image, tools: Tools | None = None, scratch: Path | None = None, *, digests: bool = True
) -> Archive:
    """The archive of an image. Its data stay in the image; neither tools nor scratch are used."""
    with reading("ext4", image):
        return reader.read(image, digests=digests)
