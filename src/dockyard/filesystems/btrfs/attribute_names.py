"""Names for extended attributes that nobody can set in a namespace: `trusted.*`, and what btrfs
keeps of its own (`btrfs.compression`).

Such an attribute is staged under a name of the same length that may be set and has the same hash,
so that its item lies where it belongs; only the name is put in its place afterwards. Four bytes
give a CRC any value: the table is walked backwards.
"""

from __future__ import annotations

from collections.abc import Iterable

from dockyard.archive import Entry, Kind
from dockyard.archive.flags import XATTR_FLAGS
from dockyard.filesystems.crc32c import TABLE, advanced

_BEGIN = 0xFFFFFFFE  # btrfs_name_hash()
_FORGED = 4
_FILLERS = b"abcdefghijklmnopqrstuvwxyz"
_SETTABLE = (b"user.", b"security.", b"system.posix_acl_")


def borrowed(entry: Entry, name: bytes) -> bytes | None:
    """The name that an attribute of an entry is staged under; None where there is none."""
    if name.startswith(_SETTABLE):
        return name
    # Only files and directories may have attributes of users.
    has_user = entry.kind in (Kind.FILE, Kind.DIRECTORY, Kind.HARDLINK)
    prefix = b"user." if has_user else b"security."
    room = len(name) - len(prefix) - _FORGED
    if room < 0:
        return None
    wanted = advanced(_BEGIN, name)
    for filler in _FILLERS if room else b"-":
        begin = prefix + bytes([filler]) * room
        made = begin + _forged(advanced(_BEGIN, begin), wanted)
        if b"\0" not in made:
            return made
    return None


def names(archive: Iterable[Entry]) -> dict[bytes, bytes]:
    """For each borrowed name the attribute's own."""
    return {
        staged: name
        for entry in archive
        for name, _ in entry.xattrs
        if name != XATTR_FLAGS and (staged := borrowed(entry, name)) and staged != name
    }


def _forged(register: int, wanted: int) -> bytes:
    """Four bytes that lead from one value of the register to another."""
    for _ in range(_FORGED):
        index = next(i for i, value in enumerate(TABLE) if value >> 24 == wanted >> 24)
        wanted = (wanted ^ TABLE[index]) << 8 & 0xFFFFFFFF | index
    return (wanted ^ register).to_bytes(_FORGED, "little")
