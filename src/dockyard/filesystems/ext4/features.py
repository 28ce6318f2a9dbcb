"""The features of ext2, ext3 and ext4 by their names in mke2fs(8), and which of them are refused.

Source: Documentation/filesystems/ext4/super.rst of Linux, s_feature_compat, s_feature_incompat and
s_feature_ro_compat. Features of the third kind concern only who writes, so unknown ones are passed
over, as the kernel does for a read-only mount.
"""

from __future__ import annotations

HAS_JOURNAL = 0x4
SPARSE_SUPER2 = 0x200

FILETYPE = 0x2
NEEDS_RECOVERY = 0x4
META_BG = 0x10
WIDE = 0x80  # 64bit
CHECKSUM_SEED = 0x2000
LARGE_DIR = 0x4000

SPARSE_SUPER = 0x1
OLD_CHECKSUMS = 0x10  # uninit_bg
METADATA_CHECKSUMS = 0x400
SHARED_BLOCKS = 0x4000

# Of inodes.
ENCRYPTED = 0x800
EXTENTS = 0x80000
EA_INODE = 0x200000
INLINE_DATA = 0x10000000
# As chattr(1) sets them.
FLAG_BITS = {
    "s": 0x1, "u": 0x2, "c": 0x4, "S": 0x8, "i": 0x10, "a": 0x20, "d": 0x40, "A": 0x80,
    "j": 0x4000, "t": 0x8000, "D": 0x10000, "T": 0x20000,
}  # fmt: skip

# Those that a file system is made with where another one had them, by kind and bit.
_KEPT = (
    {HAS_JOURNAL: "has_journal", 0x8: "ext_attr", 0x10: "resize_inode", 0x20: "dir_index",
     0x1000: "orphan_file"},
    {FILETYPE: "filetype", 0x40: "extent", WIDE: "64bit", 0x200: "flex_bg",
     CHECKSUM_SEED: "metadata_csum_seed"},
    {SPARSE_SUPER: "sparse_super", 0x2: "large_file", 0x8: "huge_file",
     OLD_CHECKSUMS: "uninit_bg", 0x20: "dir_nlink", 0x40: "extra_isize",
     METADATA_CHECKSUMS: "metadata_csum"},
)  # fmt: skip

# Those that the one in its place has not, by kind and bit.
_DROPPED: tuple[dict[int, str], ...] = (
    {},
    {META_BG: "meta_bg", 0x100: "mmp", 0x400: "ea_inode", LARGE_DIR: "large_dir",
     0x8000: "inline_data", 0x10000: "encrypt", 0x20000: "casefold"},
    {0x100: "quota", 0x200: "bigalloc", 0x2000: "project", 0x8000: "verity"},
)  # fmt: skip

_NO_FIX = "copy what it holds to an ext4 without this feature, and use that"
_UNDERSTOOD = {
    FILETYPE: "filetype",
    NEEDS_RECOVERY: "needs_recovery",
    META_BG: "meta_bg",
    0x40: "extent",
    WIDE: "64bit",
    0x100: "mmp",
    0x200: "flex_bg",
    0x400: "ea_inode",
    CHECKSUM_SEED: "metadata_csum_seed",
    LARGE_DIR: "large_dir",
    0x8000: "inline_data",
    0x10000: "encrypt",  # by inode
    0x20000: "casefold",
}
_REFUSED = {
    0x1: ("it may hold compressed files (feature compression), which Linux never read", _NO_FIX),
    0x8: (
        "it is the journal of another file system (feature journal_dev)",
        "name the image of the file system itself",
    ),
    0x1000: ("its directories hold data of Lustre (feature dirdata)", _NO_FIX),
}


def kept(compatible: int, incompatible: int, read_only: int) -> tuple[str, ...]:
    """The features of a file system that one made in its place has as well, by their names."""
    words = zip(_KEPT, (compatible, incompatible, read_only), strict=True)
    return tuple(name for names, word in words for bit, name in names.items() if word & bit)


def dropped(compatible: int, incompatible: int, read_only: int) -> tuple[str, ...]:
    """The features of a file system that one made in its place has not, by their names."""
    words = zip(_DROPPED, (compatible, incompatible, read_only), strict=True)
    return tuple(name for names, word in words for bit, name in names.items() if word & bit)


def refusal(incompatible: int) -> tuple[str, str] | None:
    """Why a file system with these incompatible features cannot be read, and what to do."""
    for bit, reason in _REFUSED.items():
        if incompatible & bit:
            return reason
    if unknown := incompatible & ~sum(_UNDERSTOOD):
        return f"it has features that are not known: incompatible {unknown:#x}", _NO_FIX
    return None


def refusal_of_inode(number: int, flags: int) -> tuple[str, str] | None:
    """Why an inode with these flags cannot be read, and what to do."""
    if flags & ENCRYPTED:
        return (
            f"it has encrypted directories (feature encrypt), inode {number} among them",
            "copy them, unlocked, to a file system without encryption, and use that",
        )
    return None
