"""Reads of an ELF file what decides which other files it needs to run.

Layout: System V ABI, chapter 5 (program header, dynamic section); dlopen notes:
https://uapi-group.org/specifications/specs/elf_dlopen_metadata (owner FDO, type 0x407c0c0a, JSON).
64-bit little-endian files only: x86_64 and aarch64.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass

MAGIC = b"\x7fELF"
_CLASS64_LITTLE = b"\x02\x01"

_PT_LOAD, _PT_DYNAMIC, _PT_INTERP = 1, 2, 3
_DT_NEEDED, _DT_STRTAB, _DT_STRSZ, _DT_SONAME, _DT_RPATH, _DT_RUNPATH = 1, 5, 10, 14, 15, 29
_SHT_NOTE = 7
_NOTE_DLOPEN = 0x407C0C0A

_SEGMENT = struct.Struct("<IIQQQQQQ")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_DYNAMIC = struct.Struct("<qQ")
_NOTE = struct.Struct("<III")


@dataclass(frozen=True, slots=True)
class Dlopen:
    """A library that a program may load while it runs: the first of the sonames that is there."""

    feature: str
    priority: str  # "required", "recommended" or "suggested"
    sonames: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Elf:
    """What an ELF file asks for."""

    interpreter: str | None
    soname: str | None
    needed: tuple[str, ...]
    search: tuple[str, ...]  # RUNPATH or RPATH, $ORIGIN not yet replaced
    dlopen: tuple[Dlopen, ...]


def read(data: bytes) -> Elf | None:
    """Parse a file; None where it is no 64-bit little-endian ELF file or is damaged."""
    if data[:4] != MAGIC or data[4:6] != _CLASS64_LITTLE:
        return None
    try:
        return _read(data)
    except (struct.error, LookupError, OverflowError, ValueError):
        return None


def _read(data: bytes) -> Elf:
    segments_at, sections_at = struct.unpack_from("<QQ", data, 32)
    segment_size, segments, section_size, sections = struct.unpack_from("<HHHH", data, 54)
    loads: list[tuple[int, int, int]] = []
    interpreter: str | None = None
    dynamic = b""
    for number in range(segments):
        kind, _, offset, address, _, size, _, _ = _SEGMENT.unpack_from(
            data, segments_at + number * segment_size
        )
        if kind == _PT_LOAD:
            loads.append((address, offset, size))
        elif kind == _PT_INTERP:
            interpreter = data[offset : offset + size].rstrip(b"\0").decode()
        elif kind == _PT_DYNAMIC:
            dynamic = data[offset : offset + size]
    tags = _dynamic(dynamic)
    strings = _strings(data, tags, loads)
    paths = tags.get(_DT_RUNPATH) or tags.get(_DT_RPATH) or []
    sonames = tags.get(_DT_SONAME, [])
    return Elf(
        interpreter,
        _text(strings, sonames[0]) if sonames else None,
        tuple(_text(strings, at) for at in tags.get(_DT_NEEDED, [])),
        tuple(part for at in paths for part in _text(strings, at).split(":") if part),
        _notes(data, sections_at, section_size, sections),
    )


def _dynamic(table: bytes) -> dict[int, list[int]]:
    tags: dict[int, list[int]] = {}
    for tag, value in _DYNAMIC.iter_unpack(table[: len(table) // 16 * 16]):
        if tag == 0:
            break
        tags.setdefault(tag, []).append(value)
    return tags


def _strings(data: bytes, tags: dict[int, list[int]], loads: list[tuple[int, int, int]]) -> bytes:
    if _DT_STRTAB not in tags:
        return b""
    at, size = tags[_DT_STRTAB][0], tags[_DT_STRSZ][0]
    for address, offset, length in loads:
        if address <= at < address + length:
            begin = offset + at - address
            return data[begin : begin + size]
    raise ValueError("the string table is in no segment")


def _text(strings: bytes, at: int) -> str:
    return strings[at : strings.index(b"\0", at)].decode()


def _notes(data: bytes, at: int, entry_size: int, count: int) -> tuple[Dlopen, ...]:
    found: list[Dlopen] = []
    for number in range(count):
        _, kind, _, _, offset, size, *_ = _SECTION.unpack_from(data, at + number * entry_size)
        if kind == _SHT_NOTE:
            found += _dlopen(data[offset : offset + size])
    return tuple(found)


def _dlopen(notes: bytes) -> list[Dlopen]:
    found: list[Dlopen] = []
    at = 0
    while at + _NOTE.size <= len(notes):
        name_size, size, kind = _NOTE.unpack_from(notes, at)
        at += _NOTE.size + name_size + -name_size % 4
        if kind == _NOTE_DLOPEN:
            found += _libraries(notes[at : at + size].rstrip(b"\0"))
        at += size + -size % 4
    return found


def _libraries(text: bytes) -> list[Dlopen]:
    """The entries of one note; none where its text is not as the specification has it."""
    try:
        return [
            Dlopen(
                str(entry.get("feature", "")),
                str(entry.get("priority", "recommended")),
                tuple(map(str, entry["soname"])),
            )
            for entry in json.loads(text)
        ]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return []


def section(data: bytes, name: bytes) -> bytes | None:
    """The content of a section by its name (kernel modules keep their facts in `.modinfo`); None
    where there is none. Raises struct.error, IndexError or ValueError for a damaged file.
    """
    if data[:4] != MAGIC or data[4:6] != _CLASS64_LITTLE:
        return None
    (at,) = struct.unpack_from("<Q", data, 40)
    entry_size, count, names_at = struct.unpack_from("<HHH", data, 58)
    headers = [_SECTION.unpack_from(data, at + number * entry_size) for number in range(count)]
    begin, size = headers[names_at][4:6]
    names = data[begin : begin + size]
    for header in headers:
        if names[header[0] : names.index(b"\0", header[0])] == name:
            return data[header[4] : header[4] + header[5]]
    return None
