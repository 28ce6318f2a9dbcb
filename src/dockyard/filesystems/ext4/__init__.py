"""ext4: written by mke2fs and debugfs of e2fsprogs, read by our own reader."""

from __future__ import annotations

import struct
from pathlib import Path

from dockyard.archive import Archive
from dockyard.filesystems.ext4 import reader
from dockyard.filesystems.ext4.features import dropped, kept
from dockyard.filesystems.ext4.writer import (
    BLOCK,
    SMALL_BLOCKS,
    flags,
    minimum_size,
    most_for_files,
    refuse,
    write,
)
from dockyard.filesystems.image import Image, path_of, reading
from dockyard.host.sandbox import Tools

__all__ = [
    "flags", "made_as", "minimum_size", "most_for_files", "needs", "not_kept", "read", "refuse",
    "write",
]  # fmt: skip

needs = "main"
SUPERBLOCK_AT = 1024
_WIDE = 0x80  # numbers of blocks with 64 bits
_LEAST_INODE = 256
_ERRORS = {2: "remount-ro", 3: "panic"}


def made_as(image: Image) -> dict[str, str]:
    """The options that an ext2, ext3 or ext4 in the place of another is written with. Raises
    OSError.
    """
    block = _superblock(image)
    features = struct.unpack_from("<III", block, 0x5C)
    inodes, blocks, reserved = struct.unpack_from("<III", block)
    if features[1] & _WIDE:
        blocks |= struct.unpack_from("<I", block, 0x150)[0] << 32
        reserved |= struct.unpack_from("<I", block, 0x154)[0] << 32
    (errors,) = struct.unpack_from("<H", block, 0x3C)
    (inode_size,) = struct.unpack_from("<H", block, 0x58)
    if inode_size < _LEAST_INODE:  # they take no more room than before, unless files need more
        inodes = inodes * inode_size // _LEAST_INODE
    found = {"features": ",".join(kept(*features)), "inodes": str(inodes)}
    # mke2fs takes no more than half, and of a part of a block nothing.
    share = 100 * (reserved + (0.5 if reserved else 0)) / max(1, blocks)
    found["reserved_percent"] = f"{min(50.0, share):.5f}"
    if inode_size > _LEAST_INODE:
        found["inode_size"] = str(inode_size)
    if (size := _block_size(block)) in SMALL_BLOCKS:
        found["block_size"] = str(size)
    if errors in _ERRORS:
        found["errors"] = _ERRORS[errors]
    return found


def not_kept(image: Image) -> tuple[str, ...]:
    """What one in the place of another has otherwise, in words. Raises OSError."""
    block = _superblock(image)
    size = _block_size(block)
    lost = dropped(*struct.unpack_from("<III", block, 0x5C))
    is_kept = size in (BLOCK, *SMALL_BLOCKS)
    words = [] if is_kept else [f"blocks of {BLOCK} bytes in place of {size}"]
    return (*words, *([f"no {', '.join(lost)}"] if lost else []))


def _block_size(block: bytes) -> int:
    return int(1024 << min(6, struct.unpack_from("<I", block, 0x18)[0]))


def _superblock(image: Image) -> bytes:
    with open(path_of(image), "rb") as opened:
        opened.seek((0 if isinstance(image, Path) else image.start) + SUPERBLOCK_AT)
        return opened.read(1024)


def read(
    image: Image, tools: Tools | None = None, scratch: Path | None = None, *, digests: bool = True
) -> Archive:
    """The archive of an image. Its data stay in the image; neither tools nor scratch are used."""
    with reading("ext4", image):
        return reader.read(image, digests=digests)
