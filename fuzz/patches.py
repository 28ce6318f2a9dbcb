"""Damages a sound file at places that are in use: what a fuzzer draws says where and how.

A patch is five bytes or more: two choose a sector in use, two a byte of it and how many bytes
follow, the rest is what is written there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

SECTOR = 512
_LONGEST = 8


def used_sectors(data: bytes) -> list[int]:
    """Where the sectors that are not all zeros begin."""
    zeros = bytes(SECTOR)
    return [
        at
        for at in range(0, len(data), SECTOR)
        if data[at : at + SECTOR] != zeros[: len(data) - at]
    ]


def patches(drawn: bytes, used: Sequence[int]) -> Iterator[tuple[int, bytes]]:
    """The places and the new bytes that drawn bytes stand for."""
    at = 0
    while at + 5 <= len(drawn):
        sector = used[int.from_bytes(drawn[at : at + 2], "little") % len(used)]
        place = int.from_bytes(drawn[at + 2 : at + 4], "little")
        length = 1 + place // SECTOR % _LONGEST
        new = drawn[at + 4 : at + 4 + length]
        yield sector + place % SECTOR, new
        at += 4 + length


def patched(sound: bytes, drawn: bytes, used: Sequence[int]) -> bytearray:
    """A copy of a sound file with the damage that drawn bytes stand for."""
    damaged = bytearray(sound)
    for place, new in patches(drawn, used):
        new = new[: len(damaged) - place]
        damaged[place : place + len(new)] = new
    return damaged
