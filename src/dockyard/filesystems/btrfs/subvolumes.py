"""Lists the subvolumes of Btrfs: where they are, which is the default one, what limits they have.

Each subvolume is a tree of its own. The tree of roots names its place by the subvolume above it,
the directory there and its name in that; the path of the directory is found by the references that
inodes have to their names (include/uapi/linux/btrfs_tree.h of Linux).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from uuid import UUID

from dockyard.filesystems.btrfs.volume import (
    DIR_ITEM,
    FILES_TREE,
    FIRST_INODE,
    ROOT_ITEM,
    Volume,
)

_INODE_REF, _ROOT_BACKREF = 12, 144
QUOTA_TREE, _STATUS, _GROUP, _LIMIT = 8, 240, 242, 244
_LEVEL = 48  # bits of the number of a group below its level
_DEFAULT_DIRECTORY, _DEFAULT_NAME = 6, b"default"
_LAST_SUBVOLUME = (1 << 64) - 256  # of which the 48 lower bits are ever used
_REF = struct.Struct("<QQH")
_NAME_REF = struct.Struct("<QH")
_LIMITS = struct.Struct("<QQQ")
_ROOT_AT, _FLAGS_AT, _UUID_AT = 176, 208, 247
HISTORY = slice(263, 375)
_READ_ONLY, _IS_ON, _HAS_MOST, _HAS_MOST_OWN = 1, 1, 1, 2
_DEEPEST = 4096


@dataclass(frozen=True, slots=True)
class Subvolume:
    """A subvolume. number: its id; 5 is the one that holds all others. path: from there, without a
    leading slash. parent: the id of the one that it lies in, None for the outermost.
    most, most_own: limits in bytes for all data that it refers to, and for those of its own alone.
    root: the address of its tree. directory: the inode that it lies in, in its parent. uuid: None
    where an old kernel made it. history: bytes 263 to 375 of its root item: the ids of what it was
    a snapshot of and was received as, transactions, and times.
    """

    number: int
    path: bytes
    parent: int | None
    read_only: bool
    is_default: bool
    most: int | None
    most_own: int | None
    root: int
    directory: int
    uuid: UUID | None = None
    history: bytes = b""


def subvolumes(volume: Volume) -> tuple[Subvolume, ...]:
    """All subvolumes by their ids. Those that are being deleted are left out."""
    roots: dict[int, tuple[int, int]] = {}
    above: dict[int, tuple[int, int, bytes]] = {}
    origins: dict[int, tuple[UUID | None, bytes]] = {}
    default = FILES_TREE
    for leaf, items in volume.leaves(volume.root):
        for item in items:
            if item.type == ROOT_ITEM and _is_subvolume(item.object):
                content = leaf[item.at : item.at + item.size]
                root, flags, refs = _root(content)
                if refs or item.object == FILES_TREE:
                    roots[item.object] = (root, flags)
                    origins[item.object] = _origin(content)
            elif item.type == _ROOT_BACKREF:
                content = leaf[item.at : item.at + item.size]
                directory, _, length = _REF.unpack_from(content)
                above[item.object] = (item.offset, directory, content[18 : 18 + length])
            elif item.type == DIR_ITEM and item.object == _DEFAULT_DIRECTORY:
                content = leaf[item.at : item.at + item.size]
                if content.endswith(_DEFAULT_NAME):
                    default = int.from_bytes(content[:8], "little")
    if FILES_TREE not in roots:
        raise volume.broken("it has no tree of files")
    limits = _limits(volume)
    paths = _Paths(volume, roots, above)
    return tuple(
        Subvolume(
            number, path, None if number == FILES_TREE else above[number][0],
            bool(flags & _READ_ONLY), number == default, *limits.get(number, (None, None)), root,
            0 if number == FILES_TREE else above[number][1], *origins[number],
        )
        for number, (root, flags) in sorted(roots.items())
        if (path := paths.of(number)) is not None
    )  # fmt: skip


def _is_subvolume(number: int) -> bool:
    return number == FILES_TREE or FIRST_INODE <= number < _LAST_SUBVOLUME


def _root(content: bytes) -> tuple[int, int, int]:
    """The address of a root, its flags, and how often it is referred to."""
    (root,) = struct.unpack_from("<Q", content, _ROOT_AT)
    flags, refs = struct.unpack_from("<QI", content, _FLAGS_AT)
    return root, flags, refs


def _origin(content: bytes) -> tuple[UUID | None, bytes]:
    """The id of a subvolume, and its history."""
    uuid = content[_UUID_AT : _UUID_AT + 16]
    return (UUID(bytes=uuid), content[HISTORY]) if any(uuid) else (None, b"")


class _Paths:
    def __init__(
        self,
        volume: Volume,
        roots: dict[int, tuple[int, int]],
        above: dict[int, tuple[int, int, bytes]],
    ) -> None:
        self._volume, self._roots, self._above = volume, roots, above
        self._known: dict[int, bytes | None] = {FILES_TREE: b""}

    def of(self, number: int) -> bytes | None:
        """The path of a subvolume; None where nothing leads to it."""
        chain: list[int] = []
        while number not in self._known:
            if number not in self._above or number not in self._roots or number in chain:
                self._known[number] = None
                break
            chain.append(number)
            number = self._above[number][0]
        found = self._known[number]
        for below in reversed(chain):
            if found is not None:
                parent, directory, name = self._above[below]
                parts = [found, *self._directory(parent, directory), name]
                found = b"/".join(part for part in parts if part)
            self._known[below] = found
        return found

    def _directory(self, tree: int, inode: int) -> list[bytes]:
        names: list[bytes] = []
        while inode != FIRST_INODE:
            low, high = (inode, _INODE_REF, 0), (inode, _INODE_REF, (1 << 64) - 1)
            found = next(self._volume.between(self._roots[tree][0], low, high), None)
            if found is None or len(names) > _DEEPEST:
                raise self._volume.broken(f"there is no way to inode {inode}")
            leaf, item = found
            _, length = _NAME_REF.unpack_from(leaf, item.at)
            start = item.at + _NAME_REF.size
            names.append(leaf[start : start + length])
            inode = item.offset
        return names[::-1]


def has_quotas(volume: Volume) -> bool:
    """Whether what subvolumes use is counted."""
    root = volume.tree_roots().get(QUOTA_TREE)
    return any(
        item.type == _STATUS and struct.unpack_from("<Q", leaf, item.at + 16)[0] & _IS_ON
        for leaf, items in (volume.leaves(root) if root else ())
        for item in items
    )


def has_groups(volume: Volume) -> bool:
    """Whether subvolumes are counted together, in groups above those that each has (level 0)."""
    root = volume.tree_roots().get(QUOTA_TREE)
    return has_quotas(volume) and any(
        item.type == _GROUP and item.offset >> _LEVEL
        for leaf, items in (volume.leaves(root) if root else ())
        for item in items
    )


def _limits(volume: Volume) -> dict[int, tuple[int | None, int | None]]:
    """For each subvolume with a limit its two; empty where quotas are off."""
    root = volume.tree_roots().get(QUOTA_TREE)
    found: dict[int, tuple[int | None, int | None]] = {}
    for leaf, items in volume.leaves(root) if root and has_quotas(volume) else ():
        for item in items:
            if item.type == _LIMIT:
                flags, most, most_own = _LIMITS.unpack_from(leaf, item.at)
                found[item.offset] = (
                    most if flags & _HAS_MOST else None,
                    most_own if flags & _HAS_MOST_OWN else None,
                )
    return found
