"""Readers of disks: partition tables, containers, COSI files, EFI programs, headers of RPMs."""

from __future__ import annotations

import hashlib
import io
import json
import struct
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import UUID

from backports import zstd

from dockyard.disk import gpt
from dockyard.disk.pe import Program
from dockyard.errors import DockyardError
from dockyard.formats import ustar
from dockyard.formats.containers import container_of
from dockyard.formats.cosi_reader import read_disk
from dockyard.formats.cosi_regions import data_outside, regions
from dockyard.packages.rpm.header import MAGIC, MalformedHeader, parse
from fuzz.patches import patched, used_sectors
from fuzz.target import Target

_SIZE = 4 << 20
_TABLE = 34 * gpt.SECTOR
_KIND = UUID("0fc63daf-8483-4772-8e79-3d69d8477de4")


def _disk() -> bytes:
    entries = tuple(
        gpt.TableEntry(number, _KIND, UUID(int=number), number << 20, 1 << 20, f"part {number}")
        for number in (1, 2)
    )
    out = io.BytesIO(bytes(_SIZE))
    gpt.write(gpt.Table(UUID(int=9), _SIZE, entries), out)
    out.seek(1 << 20)
    out.write(b"content" * 100)
    return out.getvalue()


def _with_checksums(table: bytearray) -> bytearray:
    """A damaged first table with the right checksums, so that readers go on."""
    try:
        fields = gpt._HEADER.unpack_from(table, gpt.SECTOR)
        start, count, size = fields[10:13]
        entries = table[start * gpt.SECTOR :][: min(count * size, 1 << 24)]
        struct.pack_into("<I", table, gpt.SECTOR + 88, zlib.crc32(entries))
        struct.pack_into("<I", table, gpt.SECTOR + 16, 0)
        header = table[gpt.SECTOR :][: min(fields[2], gpt.SECTOR)]
        struct.pack_into("<I", table, gpt.SECTOR + 16, zlib.crc32(header))
    except struct.error:
        pass
    return table


def _partitions(folder: Path) -> Callable[[bytes], object]:
    sound = _disk()
    used = used_sectors(sound[:_TABLE])
    path = folder / "disk"
    path.write_bytes(sound)

    def feed(drawn: bytes) -> None:
        table = patched(sound[:_TABLE], drawn[1:], used)
        if drawn[:1] < b"\x80":
            table = _with_checksums(table)
        with path.open("r+b") as file:
            file.write(table)
            gpt.read(file, _SIZE)
        regions(path, _SIZE)
        data_outside(path, _SIZE)
        with path.open("rb") as file:
            first, end = gpt.read_first(file, _SIZE)
        with suppress(ValueError):  # what it says of a table that is elsewhere
            gpt.second_copy(bytes(table[:end]), first.size)

    return feed


class _Cosi:
    """A sound COSI file, and ways of damaging it behind each of its digests."""

    def __init__(self, folder: Path) -> None:
        disk = _disk()
        self.folder = folder
        self.plain = {
            "images/gpt": disk[:_TABLE],
            "images/1": disk[1 << 20 : 2 << 20],
            "images/2": disk[2 << 20 : 3 << 20],
        }
        self.used = used_sectors(disk[:_TABLE])

    def feed(self, drawn: bytes) -> None:
        how, rest = drawn[:1], drawn[1:]
        plain = dict(self.plain)
        text, stored = None, {}
        if how < b"\x40":
            text = rest
        elif how < b"\x80":
            plain["images/gpt"] = bytes(
                _with_checksums(patched(plain["images/gpt"], rest, self.used))
            )
        elif how < b"\xc0":
            stored["images/1"] = rest
        whole = self._whole(plain, stored, text)
        if how >= b"\xc0":
            whole = bytes(with_sums(patched(whole, rest, used_sectors(whole))))
        image = self.folder / "image"
        image.write_bytes(whole)
        out = self.folder / "disk"
        out.unlink(missing_ok=True)
        before = {*self.folder.iterdir()}
        try:
            read_disk(image, out)
        finally:
            assert {*self.folder.iterdir()} <= {*before, out}, "it wrote elsewhere"

    def _whole(
        self, plain: dict[str, bytes], stored: dict[str, bytes], text: bytes | None
    ) -> bytes:
        stored = {path: zstd.compress(data) for path, data in plain.items()} | stored
        told = text if text is not None else json.dumps(self.metadata(plain, stored)).encode()
        members = {"cosi-marker": b"", "metadata.json": told, **stored}
        out = b"".join(
            ustar.header(name, len(data), 0) + data + ustar.padding(len(data))
            for name, data in members.items()
        )
        return out + ustar.END

    def metadata(self, plain: dict[str, bytes], stored: dict[str, bytes]) -> dict[str, Any]:
        """What a sound file says of itself."""
        found = []
        for number, (path, data) in enumerate(plain.items()):
            image = {
                "path": path,
                "compressedSize": len(stored[path]),
                "uncompressedSize": len(data),
                "sha384": hashlib.sha384(stored[path]).hexdigest(),
            }
            kind = {"type": "partition", "number": number} if number else {"type": "primary-gpt"}
            found.append({"image": image, **kind})
        disk = {"size": _SIZE, "type": "gpt", "lbaSize": 512, "gptRegions": found}
        return {"version": "1.2", "disk": disk, "compression": {"maxWindowLog": 27}}


def with_sums(whole: bytearray) -> bytearray:
    """A damaged tar file with the right checksums of the headers that were one before."""
    for at in range(0, len(whole) - 511, 512):
        if whole[at + 257 : at + 262] == b"ustar":
            whole[at + 148 : at + 156] = b" " * 8
            whole[at + 148 : at + 156] = b"%06o\0 " % sum(whole[at : at + 512])
    return whole


def _cosi_seeds() -> tuple[bytes, ...]:
    made = _Cosi(Path())
    stored = {path: zstd.compress(data) for path, data in made.plain.items()}
    text = json.dumps(made.metadata(made.plain, stored)).encode()
    return (b"\0" + text, b"\x40" + bytes(20), b"\x80" + stored["images/1"], b"\xc0" + bytes(20))


def _container(folder: Path) -> Callable[[bytes], object]:
    path = folder / "image"

    def feed(drawn: bytes) -> None:
        path.write_bytes(drawn)
        container_of(path)

    return feed


def _program(sound: bytes) -> Callable[[Path], Callable[[bytes], object]]:
    used = used_sectors(sound[:4096])

    def feed(drawn: bytes) -> None:
        program = Program(bytes(patched(sound, drawn, used)), "a.efi")
        for section in program.sections:
            program.content(section.name)

    return lambda _: feed


def efi_program() -> bytes:
    """A small EFI program: headers, and two sections."""
    dos = b"MZ".ljust(60, b"\0") + struct.pack("<I", 64)
    coff = struct.pack("<HHIIIHH", 0x8664, 2, 0, 0, 0, 240, 0x22E)
    optional = struct.pack("<HBBIII", 0x20B, 0, 0, 512, 512, 0) + bytes(16)
    optional += struct.pack("<II", 4096, 512) + bytes(16)
    optional += struct.pack("<III", 12288, 512, 0) + struct.pack("<HH", 10, 0) + bytes(32)
    optional += struct.pack("<II", 0, 16)
    optional = optional.ljust(240, b"\0")
    sections = b"".join(
        struct.pack("<8sIIIIIIHHI", name, 300, address, 512, at, 0, 0, 0, 0, 0x40000040)
        for name, address, at in ((b".osrel", 4096, 512), (b".cmdline", 8192, 1024))
    )
    head = (dos + b"PE\0\0" + coff + optional + sections).ljust(512, b"\0")
    return head + b"ID=a\n".ljust(512, b"\0") + b"root=x".ljust(512, b"\0")


def _header(drawn: bytes) -> None:
    with suppress(MalformedHeader):
        parse(MAGIC + drawn, 0)


def targets() -> tuple[Target, ...]:
    """The targets of this module."""
    try:
        Program(efi_program(), "a.efi")
    except DockyardError as error:
        raise AssertionError("the seed is no EFI program") from error
    header = bytes(4) + struct.pack(">II", 2, 16)
    header += struct.pack(">IIII", 1000, 6, 0, 1) + struct.pack(">IIII", 1009, 4, 8, 2)
    header += b"bash\0\0\0\0" + bytes(8)
    qcow2 = b"QFI\xfb" + struct.pack(">IQIIQIIQQIIQ", 3, 0, 0, 16, 1 << 20, 0, 1, 0, 0, 0, 0, 0)
    vhd = bytes(512) + b"conectix".ljust(60, b"\0") + struct.pack(">I", 2).ljust(452, b"\0")
    return (
        Target("gpt", _partitions, (bytes(12), b"\x80" + bytes(11)), 256),
        Target("cosi", lambda folder: _Cosi(folder).feed, _cosi_seeds(), 4096),
        Target("containers", _container, (qcow2.ljust(1024, b"\0"), vhd, b"vhdxfile" * 100)),
        Target("pe", _program(efi_program()), (bytes(20),), 256),
        Target("rpm-header", lambda _: _header, (header,)),
    )
