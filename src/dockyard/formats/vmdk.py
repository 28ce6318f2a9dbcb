"""vmdk: a stream-optimized VMDK, which virtual appliances (OVF, OVA) and clouds import.

Layout: Virtual Disk Format 5.0 (VMware), "Stream-Optimized Compressed Sparse Extents": a header, a
descriptor in text, then the grains of 64 KiB that are not all zeros, each compressed by RFC 1950;
after the grains of every 32 MiB their table, at the end the directory of tables and a footer that
says where it is. All numbers are little-endian, places are counted in sectors.

qemu-img of the tools tree compresses, so that the bytes depend on no library of the host; the
outcome is laid out here. What qemu-img writes by itself has a random content id, the name of its
file, and the directory in front, which readers of a stream cannot take.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from dockyard.disk.output import whole
from dockyard.formats.disk_format import SECTOR, DiskFormat, Wrapping, aligned, require_size
from dockyard.formats.qcow2 import convert
from dockyard.formats.vhd_fixed import LARGEST
from dockyard.host import stopping

if TYPE_CHECKING:
    from dockyard.host.sandbox import Tools

GRAIN = 128  # sectors
_TABLE = 512  # grains of a table
_HEADER = struct.Struct("<4sIIQQQQIQQQBccccH433x")
_GRAIN_HEADER = struct.Struct("<QI")
_MARKER = struct.Struct("<QII496x")
_MAGIC, _VERSION = b"KDMV", 3
_FLAGS = 1 | 1 << 16 | 1 << 17  # newlines are checked, grains compressed, markers between parts
_AT_END = 0xFFFF_FFFF_FFFF_FFFF  # the directory is where the footer says
_DEFLATE = 1
_DESCRIPTOR_AT, _DESCRIPTOR_SECTORS = 1, 20
_OVERHEAD = 128  # sectors before the first grain
_END, _TABLE_MARK, _DIRECTORY_MARK, _FOOTER_MARK = range(4)
_HEADS, _SECTORS, _MOST_CYLINDERS = 255, 63, 65535


class Vmdk(DiskFormat):
    name = "vmdk"
    extension = ".vmdk"
    runs_programs = True

    def wrap(self, disk: Path, size: int, image: Path, given: Wrapping, tools: Tools) -> None:
        require_size(size, LARGEST, self.name)
        compressed = image.with_name(f".{image.name}.grains")
        try:
            how = ("-O", "vmdk", "-o", "subformat=streamOptimized")
            convert(disk, size, compressed, how, tools)
            with compressed.open("rb") as source, whole(image) as part, part.open("xb") as out:
                _lay_out(source, aligned(size, SECTOR) // SECTOR, _plain(given.name), out)
        finally:
            compressed.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class _Grain:
    """number: of the grain, in the disk's order. stored: its header and its compressed data."""

    number: int
    stored: bytes


def _lay_out(source: IO[bytes], capacity: int, name: str, out: IO[bytes]) -> None:
    """Write the image. source: what qemu-img compressed. capacity: sectors of the disk."""
    out.seek(_OVERHEAD * SECTOR)
    digest = hashlib.sha256(capacity.to_bytes(8, "little"))
    directory = [0] * -(-capacity // (GRAIN * _TABLE))
    table: list[int] = []
    filled = 0  # which table that is
    for grain in _grains(source):
        stopping.check()
        if table and grain.number // _TABLE != filled:
            directory[filled], table = _put_table(table, out), []
        filled = grain.number // _TABLE
        table = table or [0] * _TABLE
        table[grain.number % _TABLE] = out.tell() // SECTOR
        out.write(grain.stored.ljust(aligned(len(grain.stored), SECTOR), b"\0"))
        digest.update(grain.stored)
    if table:
        directory[filled] = _put_table(table, out)
    at = _put_marked(_DIRECTORY_MARK, struct.pack(f"<{len(directory)}I", *directory), out)
    _put_marked(_FOOTER_MARK, _header(capacity, at), out)
    out.write(_MARKER.pack(0, 0, _END))
    out.seek(0)
    out.write(_header(capacity, _AT_END))
    out.write(_descriptor(capacity, name, digest.digest()))


def _grains(source: IO[bytes]) -> Iterator[_Grain]:
    """The grains of a compressed sparse extent whose directory is in front, in the disk's order."""
    fields = _HEADER.unpack(source.read(_HEADER.size))
    capacity, directory_at = fields[3], fields[9]
    tables = _words(source, directory_at, -(-capacity // (GRAIN * _TABLE)))
    for number, table_at in enumerate(tables):
        if not table_at:
            continue
        for place, at in enumerate(_words(source, table_at, _TABLE)):
            if at:
                source.seek(at * SECTOR)
                head = source.read(_GRAIN_HEADER.size)
                _, size = _GRAIN_HEADER.unpack(head)
                yield _Grain(number * _TABLE + place, head + source.read(size))


def _words(source: IO[bytes], sector: int, count: int) -> tuple[int, ...]:
    source.seek(sector * SECTOR)
    return struct.unpack(f"<{count}I", source.read(4 * count))


def _put_table(table: list[int], out: IO[bytes]) -> int:
    return _put_marked(_TABLE_MARK, struct.pack(f"<{_TABLE}I", *table), out)


def _put_marked(mark: int, content: bytes, out: IO[bytes]) -> int:
    """Write what is no grain, with what says so before it; gives its sector."""
    sectors = -(-len(content) // SECTOR)
    out.write(_MARKER.pack(sectors, 0, mark))
    at = out.tell() // SECTOR
    out.write(content.ljust(sectors * SECTOR, b"\0"))
    return at


def _header(capacity: int, directory_at: int) -> bytes:
    return _HEADER.pack(
        *(_MAGIC, _VERSION, _FLAGS, capacity, GRAIN, _DESCRIPTOR_AT, _DESCRIPTOR_SECTORS),
        *(_TABLE, 0, directory_at, _OVERHEAD, 0, b"\n", b" ", b"\r", b"\n", _DEFLATE),
    )


def _descriptor(capacity: int, name: str, digest: bytes) -> bytes:
    """What the disk is, in text. digest: of its content, which the content ids are made of."""
    # The two highest numbers mean that there is none, and that it is a raw device.
    content_id = int.from_bytes(digest[:4], "big") % 0xFFFF_FFFE
    cylinders = min(capacity // (_HEADS * _SECTORS), _MOST_CYLINDERS)
    lines = (
        "# Disk DescriptorFile",
        "version=1",
        f"CID={content_id:08x}",
        "parentCID=ffffffff",
        'createType="streamOptimized"',
        "",
        "# Extent description",
        f'RW {capacity} SPARSE "{name}.vmdk"',
        "",
        "# The Disk Data Base",
        "#DDB",
        "",
        'ddb.adapterType = "lsilogic"',
        f'ddb.geometry.cylinders = "{cylinders}"',
        f'ddb.geometry.heads = "{_HEADS}"',
        f'ddb.geometry.sectors = "{_SECTORS}"',
        f'ddb.longContentID = "{digest[4:16].hex()}{content_id:08x}"',
        'ddb.virtualHWVersion = "10"',
        "",
    )
    return "\n".join(lines).encode()


def _plain(name: str) -> str:
    """An image's name where a descriptor has the name of a file."""
    plain = "".join(each if each.isascii() and (each.isalnum() or each in "-_.") else "_"
                    for each in name)  # fmt: skip
    return plain[:60] or "image"
