"""CRC-32C (Castagnoli, RFC 3720 appendix B.4), the checksum of the metadata of XFS and Btrfs.

The standard library has only the CRC-32 of zlib. Made for some megabytes of metadata, not for data.
"""

from __future__ import annotations

_POLYNOMIAL = 0x82F63B78


def _table() -> tuple[int, ...]:
    made = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (_POLYNOMIAL if value & 1 else 0)
        made.append(value)
    return tuple(made)


_TABLE = _table()


def crc32c(data: bytes | bytearray | memoryview) -> int:
    """The checksum of data, as an unsigned number of 32 bits."""
    table = _TABLE
    crc = 0xFFFFFFFF
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF
