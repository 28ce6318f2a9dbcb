"""The checksums of Btrfs: CRC-32C, xxHash64, SHA-256 and BLAKE2b of 256 bits, by their numbers.

xxHash64 is written out here after its specification (doc/xxhash_spec.md of xxHash); it is slow, but
made for some megabytes of metadata only.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable

from dockyard.filesystems.crc32c import crc32c

CRC32C = 0
_MASK = (1 << 64) - 1
_ONE, _TWO, _THREE, _FOUR, _FIVE = (
    0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9,
    0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5,
)  # fmt: skip
_STRIPE = struct.Struct("<QQQQ")


def xxhash64(data: bytes) -> int:
    """The xxHash64 of data, with the seed 0."""
    whole = len(data) & ~31
    value = _FIVE
    if whole:
        value = _stripes(data[:whole])
    value = value + len(data) & _MASK
    at = whole
    while at + 8 <= len(data):
        value ^= _round(0, int.from_bytes(data[at : at + 8], "little"))
        value = _left(value, 27) * _ONE + _FOUR & _MASK
        at += 8
    if at + 4 <= len(data):
        value ^= int.from_bytes(data[at : at + 4], "little") * _ONE & _MASK
        value = _left(value, 23) * _TWO + _THREE & _MASK
        at += 4
    for byte in data[at:]:
        value = _left(value ^ byte * _FIVE & _MASK, 11) * _ONE & _MASK
    value = (value ^ value >> 33) * _TWO & _MASK
    value = (value ^ value >> 29) * _THREE & _MASK
    return value ^ value >> 32


def _stripes(data: bytes) -> int:
    one, two, three, four = _ONE + _TWO & _MASK, _TWO, 0, -_ONE & _MASK
    for first, second, third, fourth in _STRIPE.iter_unpack(data):
        one = one + first * _TWO & _MASK
        one = (one << 31 | one >> 33) * _ONE & _MASK
        two = two + second * _TWO & _MASK
        two = (two << 31 | two >> 33) * _ONE & _MASK
        three = three + third * _TWO & _MASK
        three = (three << 31 | three >> 33) * _ONE & _MASK
        four = four + fourth * _TWO & _MASK
        four = (four << 31 | four >> 33) * _ONE & _MASK
    value = _left(one, 1) + _left(two, 7) + _left(three, 12) + _left(four, 18) & _MASK
    for each in (one, two, three, four):
        value = (value ^ _round(0, each)) * _ONE + _FOUR & _MASK
    return value


def _round(begun: int, word: int) -> int:
    return _left(begun + word * _TWO & _MASK, 31) * _ONE & _MASK


def _left(value: int, count: int) -> int:
    return (value << count | value >> 64 - count) & _MASK


CHECKSUMS: dict[int, tuple[int, Callable[[bytes], bytes]]] = {
    CRC32C: (4, lambda data: crc32c(data).to_bytes(4, "little")),
    1: (8, lambda data: xxhash64(data).to_bytes(8, "little")),
    2: (32, lambda data: hashlib.sha256(data).digest()),
    3: (32, lambda data: hashlib.blake2b(data, digest_size=32).digest()),
}
"""For each number the length of a checksum, and what makes one."""
