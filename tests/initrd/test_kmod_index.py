"""kmod's indexes: what is put in is found by walking the trie as libkmod does."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from dockyard.initrd.kmod_index import index, normal

KEYS = st.text("abc_*:[", min_size=1, max_size=8).map(str.encode)


def values(data: bytes, key: bytes) -> list[tuple[int, bytes]]:
    """The values of a key, by the file's description."""
    magic, version, node = struct.unpack_from(">III", data)
    assert (magic, version) == (0xB007F457, 0x00020001)
    while True:
        if not node & 0x0FFFFFFF:
            return []
        at = node & 0x0FFFFFFF
        if node & 0x80000000:
            end = data.index(b"\0", at)
            prefix = data[at:end]
            at = end + 1
            if not key.startswith(prefix):
                return []
            key = key[len(prefix) :]
        first = last = 0
        children = at
        if node & 0x20000000:
            first, last = data[at], data[at + 1]
            at += 2 + 4 * (last - first + 1)
        if not key:
            return _values(data, at) if node & 0x40000000 else []
        if not node & 0x20000000 or not first <= key[0] <= last:
            return []
        (node,) = struct.unpack_from(">I", data, children + 2 + 4 * (key[0] - first))
        key = key[1:]


def _values(data: bytes, at: int) -> list[tuple[int, bytes]]:
    (count,) = struct.unpack_from(">I", data, at)
    at += 4
    found = []
    for _ in range(count):
        (priority,) = struct.unpack_from(">I", data, at)
        end = data.index(b"\0", at + 4)
        found.append((priority, data[at + 4 : end]))
        at = end + 1
    return found


@given(
    st.dictionaries(
        KEYS, st.sets(st.tuples(st.integers(0, 9), KEYS), min_size=1, max_size=3), max_size=20
    ),
    KEYS,
)
def test_all_keys_are_found_and_no_other(
    wanted: dict[bytes, set[tuple[int, bytes]]], other: bytes
) -> None:
    data = index((key, *value) for key, found in wanted.items() for value in found)
    for key, found in wanted.items():
        assert values(data, key) == sorted(found)
    assert values(data, other) == sorted(wanted.get(other, ()))


def test_the_order_of_the_items_does_not_matter() -> None:
    items = [(b"ab", 1, b"x"), (b"ab", 0, b"y"), (b"a", 0, b"z"), (b"b", 2, b"")]
    assert index(items) == index(items[::-1])


def test_an_empty_index_has_no_root() -> None:
    assert index(()) == bytes.fromhex("b007f457 00020001 00000000")


def test_aliases_are_compared_with_underscores_outside_of_brackets() -> None:
    assert normal(b"pci:v-[a-c]-x") == b"pci:v_[a-c]_x"
