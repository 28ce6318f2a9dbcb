"""Rewrites the trees of Btrfs that know all subvolumes: of roots, of ids and of quotas.

mkfs.btrfs numbers subvolumes as it comes upon them and draws their ids at random. Here each gets
its own number and id, and its limits. Items of a leaf are in the order of their keys, their data
against it from the end of the leaf on (include/uapi/linux/btrfs_tree.h of Linux).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping, Sequence

from dockyard.filesystems.btrfs.subvolumes import HISTORY
from dockyard.filesystems.btrfs.volume import (
    DIR_ITEM,
    FILES_TREE,
    HEADER,
    ITEM,
    POINTER,
    ROOT_ITEM,
    UUID_SUBVOLUME,
    Key,
    Volume,
)
from dockyard.filesystems.spec import SubvolumeSpec

ROOT_BACKREF, ROOT_REF, UUID_RECEIVED = 144, 156, 252
_STATUS, _INFO, _LIMIT = 240, 242, 244
_HAS_MOST, _HAS_MOST_OWN = 1, 2
_UUID_AT = 247
_CHANGED_AT, _BORN_AT = 327, 339  # times of a root
_PARENT, _RECEIVED = slice(0, 16), slice(16, 32)  # of a history
_TRANSACTIONS = slice(32, 48)  # of its last change and its birth, which are not the new tree's

Block = bytearray
Content = tuple[Key, bytes]


def contents(volume: Volume, leaf: bytes) -> list[Content]:
    """The items of a leaf, each with its data."""
    return [(item[:3], leaf[item.at : item.at + item.size]) for item in volume.items(leaf)]


def _fits(leaf: bytes, items: Sequence[Content]) -> bool:
    return HEADER + sum(ITEM.size + len(data) for _, data in items) <= len(leaf)


def filled(volume: Volume, leaf: bytes, items: Iterable[Content]) -> Block:
    """A leaf with other items. Raises DockyardError where they do not fit."""
    ordered = sorted(items)
    if not _fits(leaf, ordered):
        raise volume.broken("it has more subvolumes than can be listed", "leave some of them out")
    made = bytearray(leaf[:HEADER].ljust(len(leaf), b"\0"))
    struct.pack_into("<I", made, 96, len(ordered))
    end = len(leaf)
    for index, (key, data) in enumerate(ordered):
        end -= len(data)
        ITEM.pack_into(made, HEADER + index * ITEM.size, *key, end - HEADER, len(data))
        made[end : end + len(data)] = data
    return made


def packed(
    volume: Volume, blocks: Mapping[int, bytes], change: Callable[[Key, bytes], Content]
) -> dict[int, Block]:
    """A tree with every item changed, in the blocks that it has. blocks: all of them by address, in
    the order of their keys.
    """
    leaves = {at: block for at, block in blocks.items() if not block[100]}
    counts = [len(volume.items(leaf)) for leaf in leaves.values()]
    items = sorted(change(*item) for leaf in leaves.values() for item in contents(volume, leaf))
    shares = _shares(items, counts)
    if not all(_fits(leaf, part) for leaf, part in zip(leaves.values(), shares, strict=True)):
        shares = _even_shares(items, len(leaves))
    made = {
        at: filled(volume, leaf, part)
        for (at, leaf), part in zip(leaves.items(), shares, strict=True)
    }
    for at, block in sorted(blocks.items(), key=lambda pair: pair[1][100]):
        if block[100]:
            made[at] = _with_first_keys(block, made)
    return made


def _shares(items: Sequence[Content], counts: Iterable[int]) -> list[Sequence[Content]]:
    shares, at = [], 0
    for count in counts:
        shares.append(items[at : at + count])
        at += count
    return shares


def _even_shares(items: Sequence[Content], count: int) -> list[Sequence[Content]]:
    """Items in order in so many parts, of about the same size."""
    sizes = [ITEM.size + len(data) for _, data in items]
    share, begun = sum(sizes) / count, 0
    ends: list[int] = []
    for index, size in enumerate(sizes):
        begun += size
        if begun >= share * (len(ends) + 1) and len(ends) < count - 1:
            ends.append(index + 1)
    starts = [0, *ends]
    return [items[start:end] for start, end in zip(starts, [*ends, len(items)], strict=True)]


def _with_first_keys(node: bytes, below: Mapping[int, Block]) -> Block:
    """A node whose pointers have the first keys of what they lead to, which begins with a key."""
    made = bytearray(node)
    (count,) = struct.unpack_from("<I", node, 96)
    for index in range(count):
        at = HEADER + index * POINTER.size
        _, _, _, child, _ = POINTER.unpack_from(node, at)
        made[at : at + 17] = below[child][HEADER : HEADER + 17]
    return made


def renumbered(numbers: Mapping[int, int], key: Key, data: bytes) -> Content:
    """An item of the tree of roots for other numbers of subvolumes."""
    number, kind, offset = key
    if kind in (ROOT_ITEM, ROOT_REF, ROOT_BACKREF):
        number = numbers.get(number, number)
    if kind in (ROOT_REF, ROOT_BACKREF):
        offset = numbers.get(offset, offset)
    if kind == DIR_ITEM:  # the name of the default subvolume
        (child,) = struct.unpack_from("<Q", data)
        data = struct.pack("<Q", numbers.get(child, child)) + data[8:]
    return (number, kind, offset), data


def with_identity(data: bytes, chosen: SubvolumeSpec, epoch: bytes) -> bytes:
    """The root item of a subvolume with its own id and history. epoch: its time as it is kept."""
    made = bytearray(data)
    made[_UUID_AT : _UUID_AT + 16] = chosen.uuid.bytes
    if chosen.history:
        history = bytearray(chosen.history)
        history[_TRANSACTIONS] = made[HISTORY][_TRANSACTIONS]
        made[HISTORY] = history
    else:
        for at in (_CHANGED_AT, _BORN_AT):
            made[at : at + len(epoch)] = epoch
    return bytes(made)


def uuid_items(chosen: Iterable[SubvolumeSpec]) -> list[Content]:
    """The tree of ids: which subvolume has an id, and which were received as one. The id is the
    key: its halves are the object and the offset.
    """
    received: dict[bytes, list[int]] = {}
    found: list[Content] = []
    for one in chosen:
        found.append((_uuid_key(one.uuid.bytes, UUID_SUBVOLUME), struct.pack("<Q", one.number)))
        if any(one.history[_RECEIVED]):
            received.setdefault(one.history[_RECEIVED], []).append(one.number)
    for uuid, numbers in received.items():
        data = struct.pack(f"<{len(numbers)}Q", *sorted(numbers))
        found.append((_uuid_key(uuid, UUID_RECEIVED), data))
    return found


def _uuid_key(uuid: bytes, kind: int) -> Key:
    first, second = struct.unpack("<QQ", uuid)
    return (first, kind, second)


def quota_items(
    status: bytes, chosen: Iterable[SubvolumeSpec], usage: Mapping[int, int], generation: int
) -> list[Content]:
    """The tree of quotas: what each subvolume uses, all of it its own, and its limits."""
    found: list[Content] = [((0, _STATUS, 0), status)]
    for one in chosen:
        used = usage[one.number]
        info = struct.pack("<QQQQQ", generation, used, used, used, used)
        flags = (_HAS_MOST if one.most is not None else 0) | (
            _HAS_MOST_OWN if one.most_own is not None else 0
        )
        limit = struct.pack("<QQQQQ", flags, one.most or 0, one.most_own or 0, 0, 0)
        found += [((0, _INFO, one.number), info), ((0, _LIMIT, one.number), limit)]
    return found


def outermost(chosen: Iterable[SubvolumeSpec], other: SubvolumeSpec) -> tuple[SubvolumeSpec, ...]:
    """All subvolumes, the outermost one first; other: that one where it is not among them."""
    given = tuple(chosen)
    return given if any(one.number == FILES_TREE for one in given) else (other, *given)
