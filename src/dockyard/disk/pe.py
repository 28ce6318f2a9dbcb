"""EFI programs as PE32+ files: their sections, and a program with further sections at its end.

Layout: Microsoft's PE/COFF specification. After the DOS header, whose bytes 60 to 63 say where,
follow the signature, the COFF header of 20 bytes, the optional header and one header of 40 bytes
for each section; their room ends at SizeOfHeaders. All numbers are little-endian.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dockyard.errors import DockyardError, Problem
from dockyard.host.files import copy_range

NX_COMPATIBLE = 0x100  # of DllCharacteristics

_COFF = struct.Struct("<HHIIIHH")
_SECTION = struct.Struct("<8sIIIIIIHHI")
_PE32_PLUS = 0x20B
_OPTIONAL_SIZE = 112  # without the data directories
_SECURITY = 4  # the data directory of signatures
_SYMBOL = 18  # bytes of a symbol
_SYMBOLS_STRIPPED = 0x8  # of Characteristics
_CODE, _DATA, _READABLE = 0x20, 0x40, 0x40000000  # of a section's Characteristics

# Offsets in the optional header.
_INITIALIZED, _ALIGNMENT, _FILE_ALIGNMENT, _IMAGE_SIZE = 8, 32, 36, 56
_HEADERS_SIZE, _CHECKSUM, _DLL, _DIRECTORIES = 60, 64, 70, 108


@dataclass(frozen=True, slots=True)
class Section:
    """A section. address: in memory, from the program's base. size: bytes in memory. at, stored:
    where it is in the file, and how many bytes are there.
    """

    name: str
    size: int
    address: int
    stored: int
    at: int
    flags: int

    @property
    def header(self) -> bytes:
        name = self.name.encode()
        return _SECTION.pack(
            name, self.size, self.address, self.stored, self.at, 0, 0, 0, 0, self.flags
        )


@dataclass(frozen=True, slots=True)
class Added:
    """What a new section holds: bytes, or a file of the host."""

    name: str
    content: bytes | Path
    is_code: bool = False

    @property
    def size(self) -> int:
        if isinstance(self.content, bytes):
            return len(self.content)
        return self.content.stat().st_size


class Program:
    """A program in memory. Raises DockyardError (`disk.not-a-program`) for what is none.

    name: what errors call it.
    """

    def __init__(self, data: bytes, name: str) -> None:
        self.data = data
        self.name = name
        try:
            self._read()
        except struct.error as error:
            raise self.broken("it is cut short") from error

    def _read(self) -> None:
        if self.data[:2] != b"MZ":
            raise self.broken("it has no DOS header")
        start = self._u32(60)
        if self.data[start : start + 4] != b"PE\0\0":
            raise self.broken("it has no PE signature")
        self.coff_at = start + 4
        coff = _COFF.unpack_from(self.data, self.coff_at)
        self.machine, count, _, self.symbols_at, self.symbols, size, self.flags = coff
        self.optional_at = self.coff_at + _COFF.size
        if self._u16(self.optional_at) != _PE32_PLUS or size < _OPTIONAL_SIZE:
            raise self.broken("it is not a PE32+ file")
        self.sections_at = self.optional_at + size
        self.sections = [self._section(number) for number in range(count)]
        if not self.sections:
            raise self.broken("it has no sections")

    def _section(self, number: int) -> Section:
        at = self.sections_at + number * _SECTION.size
        name, size, address, stored, where, _, _, _, _, flags = _SECTION.unpack_from(self.data, at)
        text = name.rstrip(b"\0").decode(errors="replace")
        return Section(text, size, address, stored, where, flags)

    def _u16(self, at: int) -> int:
        return int(struct.unpack_from("<H", self.data, at)[0])

    def _u32(self, at: int) -> int:
        return int(struct.unpack_from("<I", self.data, at)[0])

    def option(self, offset: int) -> int:
        """A number of 32 bits in the optional header."""
        return self._u32(self.optional_at + offset)

    @property
    def is_nx_compatible(self) -> bool:
        """Whether firmware may forbid to run what the program may write."""
        return bool(self._u16(self.optional_at + _DLL) & NX_COMPATIBLE)

    @property
    def is_signed(self) -> bool:
        """Whether a signature is at the end of the file."""
        if self.option(_DIRECTORIES) <= _SECURITY:
            return False
        return self.option(_OPTIONAL_SIZE + 8 * _SECURITY) != 0

    def content(self, name: str) -> bytes | None:
        """What the file stores of a section, or None."""
        for section in self.sections:
            if section.name == name:
                return self.data[section.at : section.at + section.stored]
        return None

    def exact(self, name: str) -> bytes | None:
        """What a section holds, without what fills its last block; None where there is none."""
        for section in self.sections:
            if section.name == name:
                return self.data[section.at : section.at + min(section.size, section.stored)]
        return None

    def broken(self, why: str, fix: str = "install another build of its package") -> DockyardError:
        """The error of this program."""
        what = f"{self.name} is not an EFI program that can be used"
        return DockyardError(Problem("disk.not-a-program", what, why=why, fix=fix))


def extended(
    program: Program, added: Sequence[Added], out: Path, *, nx_compatible: bool = True
) -> None:
    """Write a program with further sections to a new file.

    A section whose name the program has takes that one's place, and must fit there. nx_compatible:
    False takes the mark away. Raises DockyardError when there is no room for a header, or the
    program is signed.
    """
    if program.is_signed:
        raise program.broken("it is signed, and its signature would not hold")
    data = bytearray(_without_symbols(program))
    file_alignment = program.option(_FILE_ALIGNMENT)
    if any(each.at % file_alignment or each.stored % file_alignment for each in program.sections):
        raise program.broken("its sections are not aligned in the file")
    room = _up(program.option(_HEADERS_SIZE), file_alignment)
    sections, placed, new_data = list(program.sections), [], 0
    end = len(data)
    for item in added:
        here = next((i for i, each in enumerate(program.sections) if each.name == item.name), None)
        if here is not None:
            sections[here] = _replaced(program, data, sections[here], item)
            continue
        last, size = sections[-1], item.size
        at = _up(end, file_alignment)
        address = _up(last.address + last.size, program.option(_ALIGNMENT))
        flags = _READABLE | (_CODE if item.is_code else _DATA)
        made = Section(item.name, size, address, _up(size, file_alignment), at, flags)
        sections.append(made)
        placed.append((made, item))
        end = at + made.stored
        new_data += size
    headers = b"".join(section.header for section in sections)
    if program.sections_at + len(headers) > room:
        raise program.broken(f"its headers have no room for {len(placed)} more sections")
    data[program.sections_at : program.sections_at + len(headers)] = headers
    last = sections[-1]
    _set(data, program.coff_at + 2, "<H", len(sections))
    options = {
        _INITIALIZED: program.option(_INITIALIZED) + new_data,
        _HEADERS_SIZE: room,
        _IMAGE_SIZE: _up(last.address + last.size, program.option(_ALIGNMENT)),
        _CHECKSUM: 0,
    }
    for offset, value in options.items():
        _set(data, program.optional_at + offset, "<I", value)
    if not nx_compatible:
        dll = program.option(_DLL) & 0xFFFF & ~NX_COMPATIBLE
        _set(data, program.optional_at + _DLL, "<H", dll)
    _write(data, placed, end, out)


def _without_symbols(program: Program) -> bytes:
    """The file without a symbol table at its end, which an image should not have."""
    at = program.symbols_at
    if not at:
        return program.data
    strings = at + _SYMBOL * program.symbols
    end = strings + int.from_bytes(program.data[strings : strings + 4], "little")
    if end != len(program.data):
        return program.data
    data = bytearray(program.data[:at])
    _set(data, program.coff_at + 8, "<II", 0, 0)
    _set(data, program.coff_at + 18, "<H", program.flags | _SYMBOLS_STRIPPED)
    return bytes(data)


def _replaced(program: Program, data: bytearray, old: Section, item: Added) -> Section:
    content = item.content if isinstance(item.content, bytes) else item.content.read_bytes()
    if len(content) > old.stored:
        raise program.broken(f"its section {item.name} has no room for {len(content)} bytes")
    data[old.at : old.at + old.stored] = content.ljust(old.stored, b"\0")
    return replace(old, size=len(content))


def _write(data: bytearray, placed: Sequence[tuple[Section, Added]], end: int, out: Path) -> None:
    with out.open("xb", buffering=0) as file:
        file.write(data)
        for section, item in placed:
            if isinstance(item.content, bytes):
                file.seek(section.at)
                file.write(item.content)
                continue
            with item.content.open("rb") as source:
                copy_range(source.fileno(), file.fileno(), 0, section.size, section.at)
        file.truncate(end)


def _set(data: bytearray, at: int, form: str, *values: int) -> None:
    struct.pack_into(form, data, at, *values)


def _up(value: int, alignment: int) -> int:
    return -(-value // alignment) * alignment
