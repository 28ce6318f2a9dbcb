"""Sets in a new XFS image what mkfs.xfs cannot take from a staged tree.

These are the times of the root directory, which it gives the time of the run, owners beyond the
ids of the namespace, and flags. All are in the inode's core, which has its own checksum (CRC-32C
over the inode with the checksum's field zero, kept little-endian).
"""

from __future__ import annotations

import struct
from pathlib import Path

from dockyard.archive import Archive, Entry, Kind
from dockyard.archive.entry import NANOSECONDS
from dockyard.archive.flags import flags_of, word_of
from dockyard.filesystems.crc32c import crc32c
from dockyard.filesystems.staging import has_foreign_owner
from dockyard.filesystems.xfs.reader import inode_numbers
from dockyard.filesystems.xfs.volume import FLAG_BITS, Volume

_FLAGS_AT, _CHECKSUM_AT = 90, 100
_BIG_TIME = 1 << 3


def mend(archive: Archive, image: Path) -> None:
    """Set the core of the root's inode and of those with flags, or owners beyond the namespace."""
    wanting = [
        entry
        for entry in archive
        if not entry.path
        or (entry.kind is not Kind.HARDLINK and (has_foreign_owner(entry) or flags_of(entry)))
    ]
    volume = Volume(image)
    try:
        numbers = inode_numbers(volume) if len(wanting) > 1 else {b"": volume.root}
        with open(image, "rb+") as opened:
            for entry in wanting:
                at = volume.inode_place(numbers[entry.path])
                opened.seek(at)
                opened.write(_set(volume.bytes_at(at, volume.inode_size), entry))
    finally:
        volume.close()


def _set(raw: bytes, entry: Entry) -> bytes:
    core = bytearray(raw)
    kind = int.from_bytes(core[2:4], "big") & 0xF000
    struct.pack_into(">H", core, 2, kind | entry.mode)
    struct.pack_into(">II", core, 8, entry.uid, entry.gid)
    if int.from_bytes(core[120:128], "big") & _BIG_TIME:
        struct.pack_into(">Q", core, 40, entry.mtime_ns + (NANOSECONDS << 31))
    else:
        struct.pack_into(">iI", core, 40, *divmod(entry.mtime_ns, NANOSECONDS))
    (flags,) = struct.unpack_from(">H", core, _FLAGS_AT)
    struct.pack_into(">H", core, _FLAGS_AT, flags | word_of(entry, FLAG_BITS))
    core[_CHECKSUM_AT : _CHECKSUM_AT + 4] = bytes(4)
    struct.pack_into("<I", core, _CHECKSUM_AT, crc32c(core))
    return bytes(core)
