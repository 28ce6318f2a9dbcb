"""A program for aarch64, for tests on other machines: it prints a line and ends."""

from __future__ import annotations

import struct

_BASE, _HEADERS = 0x400000, 64 + 56


def aarch64_program(line: bytes) -> bytes:
    """An ELF file of Linux that writes a line to its standard output. At most 65535 bytes."""
    words = (
        *(0xD2800020, 0x10000001 | 7 << 5, 0xD2800002 | len(line) << 5),  # x0 = 1, x1 = line, x2
        *(0xD2800000 | 64 << 5 | 8, 0xD4000001),  # write(2)
        *(0xD2800000, 0xD2800000 | 93 << 5 | 8, 0xD4000001),  # exit(2), status 0
    )
    code = struct.pack("<8I", *words) + line
    size = _HEADERS + len(code)
    identity = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    start = (2, 183, 1, _BASE + _HEADERS, 64, 0, 0, 64, 56, 1, 64, 0, 0)
    header = identity + struct.pack("<HHIQQQIHHHHHH", *start)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, _BASE, _BASE, size, size, 0x10000)
    return header + segment + code
