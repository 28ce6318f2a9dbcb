"""Headers: a round trip of every type, and refusal of damaged bytes."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockyard.packages.rpm.header import Header, MalformedHeader, Type, parse


def _sample() -> Header:
    header = Header()
    header.set(1000, Type.STRING, "name")
    header.set(1003, Type.INT32, (1, 2**32 - 1))
    header.set(1030, Type.INT16, (0o100644, 65535))
    header.set(5008, Type.INT64, (2**40,))
    header.set(1004, Type.I18NSTRING, ("summary",))
    header.set(1047, Type.STRING_ARRAY, ("a", "", "ü"))
    header.set(261, Type.BIN, b"\0\1\2")
    return header


def test_every_type_survives() -> None:
    data = _sample().serialise(63)
    header, end = parse(data)
    assert header == _sample()
    assert end == len(data)
    assert header.serialise(63) == data


def test_order_of_setting_does_not_matter() -> None:
    other = Header()
    for tag in reversed(list(_sample())):
        other.set(tag, *_sample().entry(tag))
    assert other.serialise(63) == _sample().serialise(63)


def test_a_header_within_a_file_is_found_by_its_offset() -> None:
    data = _sample().serialise(62)
    header, end = parse(b"x" * 96 + data + b"rest", 96)
    assert header.text(1000) == "name"
    assert end == 96 + len(data)


@given(st.binary(max_size=300), st.integers(0, 200))
def test_damage_is_a_malformed_header_and_nothing_else(noise: bytes, at: int) -> None:
    data = bytearray(_sample().serialise(63))
    data[at : at + len(noise)] = noise
    with contextlib.suppress(MalformedHeader):
        parse(bytes(data))


@pytest.mark.parametrize("cut", [0, 7, 12, 40, 150])
def test_cut_headers_are_refused(cut: int) -> None:
    with pytest.raises(MalformedHeader):
        parse(_sample().serialise(63)[:cut])


@given(st.lists(st.binary(max_size=6).map(lambda one: one.replace(b"\0", b"a")), max_size=6))
def test_strings_are_decoded_alike_one_by_one_and_together(strings: list[bytes]) -> None:
    header = Header()
    header.set(
        1, Type.STRING_ARRAY, tuple(one.decode("utf-8", "surrogateescape") for one in strings)
    )
    for number, one in enumerate(strings, 2):
        header.set(number, Type.STRING, one.decode("utf-8", "surrogateescape"))
    parsed, _ = parse(header.serialise(63))
    assert parsed.texts(1) == tuple(parsed.text(number) for number in range(2, 2 + len(strings)))
    assert parsed == header
