"""Sets in a new XFS image what mkfs.xfs cannot take from a staged tree.

These are the times of the root directory, which it gives the time of the run, owners beyond the
ids of the namespace, and flags, in the inode's core, which has its own checksum (CRC-32C over the
inode with the checksum's field zero, kept little-endian); and what `stand_ins` has changed.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from pathlib import Path

from dockyard.archive import Archive, Entry, Kind
from dockyard.archive.entry import DEVICES, NANOSECONDS
from dockyard.archive.flags import flags_of, word_of
from dockyard.filesystems.staging import has_foreign_owner
from dockyard.filesystems.xfs.reader import inode_numbers
from dockyard.filesystems.xfs.stand_ins import (
    Patch,
    attribute_flags,
    checked,
    device_number,
    file_type,
    has_stand_in,
    noted_devices,
)
from dockyard.filesystems.xfs.volume import FLAG_BITS, Volume

_FLAGS_AT, _CHECKSUM_AT = 90, 100
_BIG_TIME = 1 << 3


def mend(archive: Archive, image: Path) -> None:
    """Set the core of the root's inode, and of those with flags, owners beyond the namespace, or
    something that another thing stands for; and of that what is elsewhere.
    """
    wanting = [
        entry
        for entry in archive
        if not entry.path or (entry.kind is not Kind.HARDLINK and _wants(entry))
    ]
    devices = _devices(archive)
    volume = Volume(image)
    try:
        numbers = inode_numbers(volume) if len(wanting) > 1 or devices else {b"": volume.root}
        cores: dict[int, bytearray] = {}
        patches: list[Patch] = []

        def core(number: int) -> bytearray:
            if number not in cores:
                at = volume.inode_place(number)
                cores[number] = bytearray(volume.bytes_at(at, volume.inode_size))
            return cores[number]

        def take(number: int, found: Iterable[Patch]) -> None:
            for at, what in found:
                if at < volume.inode_size:
                    core(number)[at : at + len(what)] = what
                else:
                    patches.append((at, what))

        for entry in wanting:
            number = numbers[entry.path]
            _set(core(number), entry, volume.core)
            take(number, attribute_flags(volume, volume.inode(number), entry))
        for parent, kinds in devices.items():
            number = numbers[parent]
            take(number, noted_devices(volume, volume.inode(number), kinds))
        patches += [
            (volume.inode_place(number), checked(raw, _CHECKSUM_AT))
            for number, raw in cores.items()
        ]
        with open(image, "rb+") as opened:
            for at, what in patches:
                opened.seek(at)
                opened.write(what)
    finally:
        volume.close()


def _wants(entry: Entry) -> bool:
    return bool(has_foreign_owner(entry) or flags_of(entry) or has_stand_in(entry))


def _devices(archive: Archive) -> dict[bytes, dict[bytes, Kind]]:
    """Of each directory, the names of devices in it."""
    kinds = {entry.path: entry.kind for entry in archive if entry.kind in DEVICES}
    found: dict[bytes, dict[bytes, Kind]] = {}
    if kinds:
        for entry in archive:
            first = entry.target if entry.kind is Kind.HARDLINK else entry.path
            if first in kinds:
                found.setdefault(entry.parent, {})[entry.name] = kinds[first]
    return found


def _set(core: bytearray, entry: Entry, end: int) -> None:
    """Set what an entry says in the core of its inode; end: where the data fork begins."""
    if entry.kind in DEVICES:
        kind = file_type(entry)
        core[end : end + 4] = device_number(entry)
    else:
        kind = int.from_bytes(core[2:4], "big") & 0xF000
    struct.pack_into(">H", core, 2, kind | entry.mode)
    struct.pack_into(">II", core, 8, entry.uid, entry.gid)
    if int.from_bytes(core[120:128], "big") & _BIG_TIME:
        struct.pack_into(">Q", core, 40, entry.mtime_ns + (NANOSECONDS << 31))
    else:
        struct.pack_into(">iI", core, 40, *divmod(entry.mtime_ns, NANOSECONDS))
    (flags,) = struct.unpack_from(">H", core, _FLAGS_AT)
    struct.pack_into(">H", core, _FLAGS_AT, flags | word_of(entry, FLAG_BITS))
