"""Writes the binary indexes by which kmod finds kernel modules (modules.*.bin).

Layout: libkmod's index file, version 2.1: a trie whose nodes are written after their children, all
numbers 32-bit big-endian. A node is its prefix (ended by NUL), its children (first and last
character, then one offset each) and its values (priority and text ended by NUL); the top four bits
of an offset say which of the three the node has.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

_MAGIC = 0xB007F457
_VERSION = 0x00020001
_PREFIX, _VALUES, _CHILDS = 0x80000000, 0x40000000, 0x20000000
_U32 = struct.Struct(">I")

Item = tuple[bytes, int, bytes]
"""A key, the priority of its value (lower comes first), and the value."""


def index(items: Iterable[Item]) -> bytes:
    """An index file of some items. Keys are unique or share their values' order by priority."""
    ordered = sorted(set(items))
    out = bytearray(struct.pack(">III", _MAGIC, _VERSION, 0))
    root = _node(out, ordered, 0)
    _U32.pack_into(out, 8, root)
    return bytes(out)


def _node(out: bytearray, items: list[Item], depth: int) -> int:
    """Write the node of all items, which agree up to depth; returns its offset with flags."""
    if not items:
        return 0
    first, last = items[0][0], items[-1][0]
    end = depth
    while end < min(len(first), len(last)) and first[end] == last[end]:
        end += 1
    values = [item for item in items if len(item[0]) == end]
    rest = items[len(values) :]
    children: dict[int, int] = {}
    start = 0
    for at in range(1, len(rest) + 1):
        if at == len(rest) or rest[at][0][end] != rest[start][0][end]:
            children[rest[start][0][end]] = _node(out, rest[start:at], end + 1)
            start = at
    offset = len(out)
    if end > depth:
        out += first[depth:end] + b"\0"
        offset |= _PREFIX
    if children:
        low, high = min(children), max(children)
        out += bytes((low, high))
        for character in range(low, high + 1):
            out += _U32.pack(children.get(character, 0))
        offset |= _CHILDS
    if values:
        out += _U32.pack(len(values))
        for _, priority, value in values:
            out += _U32.pack(priority) + value + b"\0"
        offset |= _VALUES
    return offset


def normal(alias: bytes) -> bytes:
    """An alias as kmod compares it: `-` becomes `_`, except in a `[…]` of a pattern."""
    out = bytearray()
    bracket = False
    for character in alias:
        if character == 0x5B:  # [
            bracket = True
        elif character == 0x5D:  # ]
            bracket = False
        out.append(0x5F if character == 0x2D and not bracket else character)
    return bytes(out)
