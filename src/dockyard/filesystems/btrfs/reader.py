"""Makes an archive of a Btrfs image: of a subvolume, every attribute, and data where they lie.

Subvolumes within the one that is read are shown as a mount shows them: as directories, and empty
where a snapshot was taken of what they lie in.
"""

from __future__ import annotations

import stat
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

from dockyard.archive import Archive, Entry, Kind
from dockyard.archive.entry import (
    DEVICES,
    NANOSECONDS,
)
from dockyard.archive.flags import letters_of, with_flags
from dockyard.filesystems.btrfs.extents import Data
from dockyard.filesystems.btrfs.subvolumes import Subvolume
from dockyard.filesystems.btrfs.volume import (
    DIR_INDEX,
    EXTENT_DATA,
    FILES_TREE,
    FIRST_INODE,
    INODE_ITEM,
    ROOT_ITEM,
    XATTR_ITEM,
    Item,
    Volume,
)
from dockyard.filesystems.inodes import InodeSource, entries_of, kind_of, numbers_by_path
from dockyard.filesystems.pieces import digest

NAME = struct.Struct("<QBQQHHB")
_INODE = struct.Struct("<QQQQQIIIIQQ")
_MTIME_AT = 136
# As chattr(1) sets them. Those about compression are not among them: who writes sets them, too.
FLAG_BITS = {"C": 0x2, "S": 0x20, "i": 0x40, "a": 0x80, "d": 0x100, "A": 0x200, "D": 0x400}
_TREE = 64  # bits of an inode's number within its tree
_TYPES = (INODE_ITEM, XATTR_ITEM, DIR_INDEX, EXTENT_DATA)


@dataclass(slots=True)
class Inode:
    """An inode: what of it an archive needs, gathered from its items. names: each with an inode's
    number, or a tree's where it is that of a subvolume.
    """

    mode: int = 0
    uid: int = 0
    gid: int = 0
    size: int = 0
    mtime_ns: int = 0
    links: int = 0
    device: int = 0
    flags: int = 0
    xattrs: list[tuple[bytes, bytes]] = field(default_factory=list)
    extents: list[tuple[int, bytes]] = field(default_factory=list)
    names: list[tuple[bytes, int, bool]] = field(default_factory=list)


def read(
    volume: Volume,
    wanted: Subvolume,
    known: Iterable[Subvolume],
    *,
    nested: bool = True,
    digests: bool = True,
) -> Archive:
    """The archive of a subvolume, and of those within it where `nested`."""
    trees = _Trees(volume, wanted, {one.number: one for one in known} if nested else {})
    numbers = numbers_by_path(volume, trees.root, trees.names)
    data = Data(volume)
    found = entries_of(numbers, trees.inode, partial(_entry, volume, data, digests))

    def pieces(number: int) -> Iterator[bytes]:
        inode = trees.inode(number)
        return data.pieces(inode.size, inode.extents)

    return Archive(found, (InodeSource(numbers, pieces),))


class _Trees:
    """The inodes of several subvolumes, numbered by tree and inode together."""

    def __init__(self, volume: Volume, wanted: Subvolume, known: Mapping[int, Subvolume]) -> None:
        self._volume, self._known = volume, known
        self._inodes = {wanted.number: inodes_of(volume, wanted.root)}
        self.root = wanted.number << _TREE | FIRST_INODE

    def inode(self, number: int) -> Inode:
        found = self._inodes[number >> _TREE].get(number & (1 << _TREE) - 1)
        if found is None:
            raise self._volume.broken(f"there is no inode {number & (1 << _TREE) - 1}")
        return found

    def names(self, number: int) -> Iterator[tuple[bytes, int, bool]]:
        tree, above = number >> _TREE, number & (1 << _TREE) - 1
        for name, child, is_subvolume in self.inode(number).names:
            if not is_subvolume:
                found = tree << _TREE | child
                yield name, found, stat.S_ISDIR(self.inode(found).mode)
                continue
            other = self._known.get(child)
            if other is None or (other.parent, other.directory) != (tree, above):
                yield name, self._empty(tree, above, child), True
                continue
            if child in self._inodes:
                raise self._volume.broken(f"the subvolume {child} has two names")
            self._inodes[child] = inodes_of(self._volume, other.root)
            yield name, child << _TREE | FIRST_INODE, True

    def _empty(self, tree: int, above: int, child: int) -> int:
        """An empty directory in place of a subvolume."""
        number = -child  # which no inode has
        self._inodes[tree][number & (1 << _TREE) - 1] = Inode(
            stat.S_IFDIR | 0o755, mtime_ns=self._inodes[tree][above].mtime_ns, links=1
        )
        return tree << _TREE | number & (1 << _TREE) - 1


def inodes_of(volume: Volume, root: int | None = None) -> dict[int, Inode]:
    """All inodes of a tree of files, by default of the outermost subvolume's."""
    found: dict[int, Inode] = {}
    number, inode = -1, Inode()
    for leaf, items in volume.leaves(root or volume.tree_roots()[FILES_TREE]):
        for item in items:
            if item.type not in _TYPES:
                continue
            if item.object != number:
                number = item.object
                inode = found.setdefault(number, Inode())
            content = leaf[item.at : item.at + item.size]
            if item.type == INODE_ITEM:
                _take_inode(inode, content)
            elif item.type == EXTENT_DATA:
                inode.extents.append((item.offset, content))
            else:
                _take_names(volume, inode, item, content)
    return found


def _take_inode(inode: Inode, content: bytes) -> None:
    (
        _,
        _,
        inode.size,
        _,
        _,
        inode.links,
        inode.uid,
        inode.gid,
        inode.mode,
        inode.device,
        inode.flags,
    ) = _INODE.unpack_from(content)
    seconds, fraction = struct.unpack_from("<qI", content, _MTIME_AT)
    inode.mtime_ns = seconds * NANOSECONDS + fraction


def _take_names(volume: Volume, inode: Inode, item: Item, content: bytes) -> None:
    at = 0
    while at + NAME.size <= len(content):
        child, kind, _, _, length, size, _ = NAME.unpack_from(content, at)
        at += NAME.size
        name, value = content[at : at + size], content[at + size : at + size + length]
        at += size + length
        if at > len(content):
            raise volume.broken("a name is damaged")
        if item.type == XATTR_ITEM:
            inode.xattrs.append((name, value))
        else:
            inode.names.append((name, child, kind == ROOT_ITEM))


def numbers_of(volume: Volume, known: Iterable[Subvolume]) -> dict[bytes, tuple[int, int]]:
    """For each path of a whole volume the number of its subvolume and of its inode in that, in
    canonical order.
    """
    every = {one.number: one for one in known}
    trees = _Trees(volume, every[FILES_TREE], every)
    numbers = numbers_by_path(volume, trees.root, trees.names)
    mask = (1 << _TREE) - 1
    return {path: (number >> _TREE, number & mask) for path, number in numbers.items()}


def _entry(volume: Volume, data: Data, digests: bool, path: bytes, inode: Inode) -> Entry:
    kind = kind_of(volume, inode)
    sha256, target, rdev = None, b"", (0, 0)
    if kind is Kind.FILE and digests:
        sha256 = digest(data.pieces(inode.size, inode.extents))
    elif kind is Kind.SYMLINK:
        target = b"".join(data.pieces(inode.size, inode.extents))
    elif kind in DEVICES:
        rdev = (inode.device >> 20, inode.device & 0xFFFFF)
    return Entry(
        path, kind, inode.mode & 0o7777, inode.uid, inode.gid, inode.mtime_ns,
        inode.size if kind is Kind.FILE else 0, sha256, target, rdev,
        with_flags(tuple(inode.xattrs), _flags(kind, inode)),
    )  # fmt: skip


def _flags(kind: Kind, inode: Inode) -> str:
    """The flags of an inode. Data that are not copied on write have no checksums; files that are
    written anew have some, so only those without data keep that.
    """
    has_data = kind is Kind.FILE and inode.size
    found = letters_of(kind, inode.flags, FLAG_BITS)
    return found.replace("C", "") if has_data else found
