"""Decompresses LZO1X as Btrfs keeps it (fs/btrfs/lzo.c, lib/lzo/lzo1x_decompress_safe.c of Linux).

An extent begins with its length in bytes; then come segments, each with its length before it, which
decompress to one sector each. No length crosses the end of a sector: what is left there is skipped.
"""

from __future__ import annotations

_LENGTH = 4
_END = b"\x11\0\0"


def decompressed(content: bytes, sector: int, most: int) -> bytes:
    """The data of an extent. Raises ValueError or IndexError when it is damaged."""
    total = min(int.from_bytes(content[:_LENGTH], "little"), len(content))
    made, at = bytearray(), _LENGTH
    while at < total and len(made) < most:
        left = sector - at % sector
        if left < _LENGTH:
            at += left
        length = int.from_bytes(content[at : at + _LENGTH], "little")
        at += _LENGTH
        if not length or at + length > len(content):
            raise ValueError("a segment of LZO data is damaged")
        made += segment(content[at : at + length], sector)
        at += length
    return bytes(made[:most])


def segment(data: bytes, most: int) -> bytes:
    """One segment, of not more than `most` bytes."""
    made = bytearray()
    at = state = 0
    if data[0] > 17:
        state = data[0] - 17
        made += data[1 : 1 + state]
        at, state = 1 + state, min(state, 4)
    while True:
        if len(made) > most or at >= len(data):
            raise ValueError("LZO data are damaged")
        code = data[at]
        at += 1
        if code < 16 and state == 0:
            length, at = _long(data, at, code, 15)
            made += data[at : at + length + 3]
            at, state = at + length + 3, 4
            continue
        if code >= 64:
            length, back = (code >> 5) + 1, 1 + (code >> 2 & 7) + (data[at] << 3)
            state, at = code & 3, at + 1
        elif code >= 16:
            is_near = code >= 32
            most_here = 31 if is_near else 7
            length, at = _long(data, at, code & most_here, most_here)
            length += 2
            word = data[at] | data[at + 1] << 8
            state, at = word & 3, at + 2
            back = (word >> 2) + 1 if is_near else ((code & 8) << 11) + (word >> 2)
            if not back:
                return bytes(made[:most])
            length = min(length, most + 1)
            back += 0 if is_near else 0x4000
        else:
            far = state == 4
            length, back = (3, 0x801) if far else (2, 1)
            back += (code >> 2) + (data[at] << 2)
            state, at = code & 3, at + 1
        _copy(made, back, length)
        made += data[at : at + state]
        at += state


def _long(data: bytes, at: int, length: int, base: int) -> tuple[int, int]:
    """A length that does not fit its code goes on in bytes, of which zeros stand for 255."""
    if length:
        return length, at
    while data[at] == 0:
        length += 255
        at += 1
    return length + base + data[at], at + 1


def _copy(made: bytearray, back: int, length: int) -> None:
    start = len(made) - back
    if start < 0:
        raise ValueError("LZO data are damaged")
    if back >= length:
        made += made[start : start + length]
    else:
        made += (made[start:] * (length // back + 1))[:length]
