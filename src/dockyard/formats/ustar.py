"""Plain tar files of regular files: written, and read from a hostile source.

Layout: POSIX.1-1988 ustar (pax(1), "ustar Interchange Format"): headers and content in blocks of
512 bytes, two blocks of zeros at the end. Sizes of 8 GiB and more are binary, as GNU tar and pax
readers take them. Nothing is unpacked by name: a reader gets names and places.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

BLOCK = 512
_HEADER = struct.Struct("100s8s8s8s12s12s8sc100s6s2s32s32s8s8s155s12x")
_MOST_OCTAL = 1 << 33
_SIZE_AT, _SUM_AT = slice(124, 136), slice(148, 156)
_REGULAR = (b"0", b"\0")
_BINARY = 0x80
_MOST = 100_000  # members


class Malformed(ValueError):
    """The file is not such a tar file; the text says why."""


@dataclass(frozen=True, slots=True)
class Member:
    """A regular file in a tar file. at: the byte where its content begins."""

    name: str
    at: int
    size: int


def header(name: str, size: int, mtime: int) -> bytes:
    """The header of a regular file, mode 0644 and root's."""
    raw = name.encode()
    if len(raw) > 100:
        raise ValueError(f"the name {name} is too long for a tar header")
    told = b"%011o\0" % size if size < _MOST_OCTAL else _binary(size)
    plain = _HEADER.pack(
        *(raw, b"0000644\0", b"0000000\0", b"0000000\0", told, b"%011o\0" % mtime),
        *(b" " * 8, b"0", b"", b"ustar\0", b"00", b"root", b"root", b"0000000\0", b"0000000\0"),
        b"",
    )
    return plain[: _SUM_AT.start] + b"%06o\0 " % sum(plain) + plain[_SUM_AT.stop :]


def padding(size: int) -> bytes:
    """What follows a content up to the next block."""
    return bytes(-size % BLOCK)


END = bytes(2 * BLOCK)
"""What ends a tar file."""


def _binary(size: int) -> bytes:
    return bytes([_BINARY]) + size.to_bytes(11, "big")


def members(file: IO[bytes], size: int) -> Iterator[Member]:
    """The members of a tar file up to its end mark, behind which anything may follow.

    size: bytes of the file. Raises Malformed for anything but regular files that lie in the file,
    each under a name of its own.
    """
    names: set[str] = set()
    at = 0
    while True:
        file.seek(at)
        raw = file.read(BLOCK)
        if len(raw) == BLOCK and not any(raw):
            return
        found = _member(raw, at)
        if found.at + found.size > size:
            raise Malformed(f"{found.name} goes on behind the end of the file")
        if found.name in names:
            raise Malformed(f"{found.name} is there twice")
        names.add(found.name)
        if len(names) > _MOST:
            raise Malformed(f"it has more than {_MOST} members")
        yield found
        at = found.at + found.size + -found.size % BLOCK


def _member(raw: bytes, at: int) -> Member:
    if len(raw) < BLOCK:
        raise Malformed("it ends without an end mark")
    fields = _HEADER.unpack(raw)
    plain = raw[: _SUM_AT.start] + b" " * 8 + raw[_SUM_AT.stop :]
    if _octal(fields[6]) != sum(plain):
        raise Malformed(f"the header at byte {at} is damaged")
    if fields[9] not in (b"ustar\0", b"ustar "):
        raise Malformed(f"the header at byte {at} is not a ustar header")
    name = _text(fields[0])
    prefix = _text(fields[15]) if fields[9] == b"ustar\0" else ""
    name = os.path.normpath(f"{prefix}/{name}" if prefix else name or "?")
    if name.startswith(("/", "..")):
        raise Malformed(f"the name {name} leads out of it")
    if fields[7] not in _REGULAR:
        raise Malformed(f"{name} is no regular file")
    return Member(name, at + BLOCK, _size(raw[_SIZE_AT]))


def _text(raw: bytes) -> str:
    try:
        return raw.partition(b"\0")[0].decode()
    except UnicodeDecodeError as error:
        raise Malformed("it has a name that is not UTF-8") from error


def _size(raw: bytes) -> int:
    return int.from_bytes(raw[1:], "big") if raw[0] == _BINARY else _octal(raw)


def _octal(raw: bytes) -> int:
    text = raw.strip(b" \0")
    if not all(0x30 <= digit < 0x38 for digit in text):
        raise Malformed("a number in it is not octal")
    return int(text or b"0", 8)
