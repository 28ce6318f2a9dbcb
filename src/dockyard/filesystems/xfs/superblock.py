"""The superblock of XFS: geometry and features (fs/xfs/libxfs/xfs_format.h of Linux, xfs_dsb).

Versions 4 and 5 are read. What would make a reader show something else than the kernel does is
refused by name: features of later kernels, an external log, a file system marked for repair.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from dockyard.filesystems.crc32c import crc32c

MAGIC = b"XFSB"
SIZE = 512

_FILE_TYPES, _META_UUID, _NEEDS_REPAIR = 0x1, 0x4, 0x10
_ZONED = 0x200
# Sparse inodes, big times, large extent counts, exchanged ranges, parents, a metadata directory.
_UNDERSTOOD = 0x1 | 0x2 | 0x4 | 0x8 | 0x20 | 0x40 | 0x80 | 0x100
_V4_LINKS, _V4_DIRECTORIES, _V4_MORE = 0x20, 0x2000, 0x8000
_V4_FILE_TYPES = 0x200
_CHECKSUM_AT = 224


class Refused(ValueError):
    """A superblock that is not read, with the reason and what to do."""

    def __init__(self, why: str, fix: str = "") -> None:
        super().__init__(why)
        self.why, self.fix = why, fix


@dataclass(frozen=True, slots=True)
class Superblock:
    """What the superblock says. Sizes are in bytes, `*_log` are logarithms to the base 2."""

    version: int
    block_size: int
    blocks: int
    uuid: uuid.UUID
    meta_uuid: bytes
    log_start: int
    log_blocks: int
    root: int
    group_blocks: int
    groups: int
    group_log: int
    inode_size: int
    inodes_log: int
    directory_block: int
    label: str
    has_file_types: bool

    @property
    def is_v5(self) -> bool:
        """Whether metadata have checksums and say whose they are."""
        return self.version == 5


def parse(raw: bytes) -> Superblock:
    """The superblock from its first sector. Raises Refused."""
    if len(raw) < SIZE or raw[:4] != MAGIC:
        raise Refused("it has no superblock")
    numbers = int.from_bytes(raw[100:102], "big")
    version = numbers & 15
    if version not in (4, 5):
        raise Refused(f"it is of XFS version {version}; 4 and 5 are read")
    incompatible = _u32(raw, 216) if version == 5 else 0
    _check_features(raw, version, numbers, incompatible)
    more = _u32(raw, 200) if numbers & _V4_MORE else 0
    made = Superblock(
        version=version,
        block_size=_u32(raw, 4),
        blocks=_u64(raw, 8),
        uuid=uuid.UUID(bytes=raw[32:48]),
        meta_uuid=raw[248:264] if incompatible & _META_UUID else raw[32:48],
        log_start=_u64(raw, 48),
        log_blocks=_u32(raw, 96),
        root=_u64(raw, 56),
        group_blocks=_u32(raw, 84),
        groups=_u32(raw, 88),
        group_log=raw[124],
        inode_size=int.from_bytes(raw[104:106], "big"),
        inodes_log=raw[123],
        directory_block=_u32(raw, 4) << min(raw[192], 16),
        label=raw[108:120].rstrip(b"\0").decode(errors="replace"),
        has_file_types=bool(incompatible & _FILE_TYPES or more & _V4_FILE_TYPES),
    )
    _check_geometry(made, raw)
    return made


def _check_features(raw: bytes, version: int, numbers: int, incompatible: int) -> None:
    if version == 4 and not numbers & _V4_DIRECTORIES:
        raise Refused("its directories are of version 1, which Linux reads no longer")
    if incompatible & _NEEDS_REPAIR:
        raise Refused("it is marked as in need of repair", "run xfs_repair on it")
    if incompatible & _ZONED:
        raise Refused("it is zoned: the data of its files are on a real-time device")
    if unknown := incompatible & ~_UNDERSTOOD:
        raise Refused(f"it has features not understood: incompat {unknown:#x}")
    if raw[126]:
        raise Refused("the program that made it did not finish")
    if not _u64(raw, 48):
        raise Refused("its log is on another device")


def _check_geometry(made: Superblock, raw: bytes) -> None:
    sector = int.from_bytes(raw[102:104], "big")
    if (
        not 512 <= made.block_size <= 65536
        or made.block_size != 1 << min(raw[120], 31)
        or not 256 <= made.inode_size <= 2048
        or made.inode_size & made.inode_size - 1
        or made.block_size != made.inode_size << min(made.inodes_log, 31)
        or not made.group_blocks
        or not made.groups
        or made.group_log != (made.group_blocks - 1).bit_length()
        or made.directory_block > 65536
        or not 512 <= sector <= 32768
    ):
        raise Refused("its superblock is damaged")


def check(sector: bytes, made: Superblock) -> None:
    """Verify the checksum of the superblock's sector. Raises Refused."""
    cleared = sector[:_CHECKSUM_AT] + bytes(4) + sector[_CHECKSUM_AT + 4 :]
    kept = int.from_bytes(sector[_CHECKSUM_AT : _CHECKSUM_AT + 4], "little")
    if made.is_v5 and crc32c(cleared) != kept:
        raise Refused("its superblock is damaged: the checksum is wrong")


def _u32(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "big")


def _u64(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 8], "big")
