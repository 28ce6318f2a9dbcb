"""CRC-32C: the examples of its standard, and the same for data of all lengths as bit by bit."""

from __future__ import annotations

import random

import pytest

from dockyard.filesystems.crc32c import advanced, crc32c


def _bit_by_bit(data: bytes) -> int:
    register = 0xFFFFFFFF
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ (0x82F63B78 if register & 1 else 0)
    return register ^ 0xFFFFFFFF


@pytest.mark.parametrize(
    ("data", "checksum"),
    [
        (b"", 0),
        (b"123456789", 0xE3069283),
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(range(31, -1, -1)), 0x113FDB5C),
    ],
)
def test_the_examples_of_the_standard(data: bytes, checksum: int) -> None:
    assert crc32c(data) == checksum


def test_data_of_all_lengths() -> None:
    chance = random.Random(1)
    for length in (*range(120), 255, 256, 1020, 1024, 4092, 4096, 65535, 65536, 65537, 70_001):
        data = chance.randbytes(length)
        assert crc32c(data) == _bit_by_bit(data), length
        assert crc32c(bytearray(data)) == crc32c(memoryview(data)) == crc32c(data)


def test_data_in_parts() -> None:
    data = random.Random(2).randbytes(3000)
    for cut in (0, 1, 3, 32, 777, 3000):
        assert advanced(advanced(1234, data[:cut]), data[cut:]) == advanced(1234, data)
