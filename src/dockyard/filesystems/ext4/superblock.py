"""The superblock of ext2, ext3 and ext4: the geometry, and where the descriptor of a group lies.

Layout: Documentation/filesystems/ext4/super.rst, blockgroup.rst (meta_bg) and checksums.rst of
Linux. What the kernel does not mount for its geometry is refused here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dockyard.errors import DockyardError
from dockyard.filesystems.crc32c import advanced
from dockyard.filesystems.ext4 import features

AT = 1024
SIZE = 1024
FSCK = "run e2fsck -f on it, or make or fetch the image again"

_MAGIC = 0xEF53
_LARGEST_BLOCK = 6  # 64 KiB
_OLD_INODE_SIZE = 128
_OLD_FIRST_INODE = 11
_CHECKSUM_AT = 0x3FC
_SEEDLESS = 0xFFFFFFFF

Broken = Callable[[str, str], DockyardError]


@dataclass(frozen=True, slots=True)
class Superblock:
    """What of a superblock a reader needs; sizes in bytes, places in blocks."""

    block_size: int
    blocks: int
    first_block: int
    blocks_per_group: int
    groups: int
    inodes: int
    inodes_per_group: int
    inode_size: int
    first_inode: int
    compatible: int
    incompatible: int
    read_only_compatible: int
    descriptor_size: int
    first_meta_group: int
    backup_groups: tuple[int, int]
    checksum_seed: int
    uuid: bytes
    journal_inode: int

    @property
    def has_checksums(self) -> bool:
        """Whether all metadata have checksums (metadata_csum)."""
        return bool(self.read_only_compatible & features.METADATA_CHECKSUMS)

    @property
    def is_wide(self) -> bool:
        """Whether numbers of blocks may have more than 32 bits (64bit)."""
        return bool(self.incompatible & features.WIDE)

    def descriptor_at(self, group: int) -> int:
        """The byte where the descriptor of a group begins: after the superblock with all others,
        or with meta_bg at the beginning of its own meta group.
        """
        per_block = self.block_size // self.descriptor_size
        block, index = divmod(group, per_block)
        own = AT // self.block_size
        if not self.incompatible & features.META_BG or block < self.first_meta_group:
            return (own + 1 + block) * self.block_size + index * self.descriptor_size
        leader = block * per_block
        start = self.first_block + leader * self.blocks_per_group
        start += self._has_superblock(leader)
        if own and not leader and not self.first_block:  # bigalloc with blocks of 1 KiB
            start += 1
        return start * self.block_size + index * self.descriptor_size

    def _has_superblock(self, group: int) -> bool:
        """Whether a group has a copy of the superblock: two that are named (sparse_super2), 0, 1
        and powers of 3, 5 and 7 (sparse_super), or all.
        """
        if not group:
            return True
        if self.compatible & features.SPARSE_SUPER2:
            return group in self.backup_groups
        if group == 1 or not self.read_only_compatible & features.SPARSE_SUPER:
            return True
        for base in (3, 5, 7):
            power = base
            while power < group:
                power *= base
            if power == group:
                return True
        return False


def parse(data: bytes, image_size: int, broken: Broken) -> Superblock:
    """The superblock in 1024 bytes. Raises what `broken` makes of a reason and a remedy."""
    if len(data) < SIZE or _u16(data, 0x38) != _MAGIC:
        raise broken("it has no superblock", "")
    incompatible, read_only = _u32(data, 0x60), _u32(data, 0x64)
    if refused := features.refusal(incompatible):
        raise broken(*refused)
    if read_only & features.METADATA_CHECKSUMS and (
        data[0x175] != 1 or advanced(_SEEDLESS, data[:_CHECKSUM_AT]) != _u32(data, _CHECKSUM_AT)
    ):
        raise broken("the checksum of its superblock is wrong", FSCK)
    made = _parsed(data, incompatible, read_only)
    if made is None or not _is_possible(made):
        raise broken("its superblock is damaged", FSCK)
    if made.blocks * made.block_size > image_size:
        raise broken(f"it is cut short: of {made.blocks * made.block_size} bytes {image_size}", "")
    return made


def _parsed(data: bytes, incompatible: int, read_only: int) -> Superblock | None:
    wide = bool(incompatible & features.WIDE)
    first, per_group = _u32(data, 0x14), _u32(data, 0x20)
    blocks = _u32(data, 4) | (_u32(data, 0x150) << 32 if wide else 0)
    if _u32(data, 0x18) > _LARGEST_BLOCK or not per_group:
        return None
    is_old = not _u32(data, 0x4C)
    if incompatible & features.CHECKSUM_SEED:
        seed = _u32(data, 0x270)
    else:
        seed = advanced(_SEEDLESS, data[0x68:0x78])
    return Superblock(
        block_size=1024 << _u32(data, 0x18),
        blocks=blocks,
        first_block=first,
        blocks_per_group=per_group,
        groups=-(-(blocks - first) // per_group),
        inodes=_u32(data, 0),
        inodes_per_group=_u32(data, 0x28),
        inode_size=_OLD_INODE_SIZE if is_old else _u16(data, 0x58),
        first_inode=_OLD_FIRST_INODE if is_old else _u32(data, 0x54),
        compatible=_u32(data, 0x5C),
        incompatible=incompatible,
        read_only_compatible=read_only,
        descriptor_size=_u16(data, 0xFE) if wide else 32,
        first_meta_group=_u32(data, 0x104),
        backup_groups=(_u32(data, 0x24C), _u32(data, 0x250)),
        checksum_seed=seed,
        uuid=data[0x68:0x78],
        journal_inode=_u32(data, 0xE0),
    )


def _is_possible(made: Superblock) -> bool:
    return (
        _is_power_of_two(made.inode_size, _OLD_INODE_SIZE, made.block_size)
        and _is_power_of_two(made.descriptor_size, 64 if made.is_wide else 32, 1024)
        and made.first_block <= 1
        and made.first_block < made.blocks
        and 0 < made.inodes_per_group <= 8 * made.block_size
        and made.inodes == made.groups * made.inodes_per_group
        and made.first_inode >= _OLD_FIRST_INODE
    )


def _is_power_of_two(value: int, least: int, most: int) -> bool:
    return least <= value <= most and not value & value - 1


def _u16(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 2], "little")


def _u32(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "little")
