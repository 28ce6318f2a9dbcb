"""What of a root no tree in the store can have: known by the index alone, as device nodes are.

Owners beyond the ids of the namespace, such as a directory service gives them, are shown as nobody
(65534), as the kernel shows an id that is not mapped. Extended attributes are not shown where the
host decides whether they may be set: `trusted.*`, all of `security.*` but capabilities that count
everywhere, ACLs that name such owners, `user.overlay.*`, which the overlays of layers read, and
what is too large for the inodes of some file system.

What a layer leaves to nobody gets its own owner back; what it gives to another keeps that. The
attributes come back to what has the same name and kind, unless the layer gave others; signatures of
the content (IMA, EVM) only while that is the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from dockyard.archive import Archive, Entry, Kind
from dockyard.archive.entry import (
    XATTR_ACL_ACCESS,
    XATTR_CAPABILITY,
    Xattrs,
)
from dockyard.archive.named_ids import ACL_ENTRY, ACLS, named_ids
from dockyard.host.namespace import MAPPED_IDS

NOBODY = 65534
_OVERLAY = b"user.overlay."
_OF_CONTENT = (b"security.ima", b"security.evm")
_MOST_OF_USER = 1024  # bytes of a file's `user.*`: ext4 with blocks of 1 KiB holds hardly more
_OWNER, _GROUP, _MASK, _OTHER = 0x01, 0x04, 0x10, 0x20


def shown(entry: Entry) -> Entry:
    """The entry as a tree can have it."""
    uid, gid = (NOBODY if number >= MAPPED_IDS else number for number in (entry.uid, entry.gid))
    xattrs = _shown_xattrs(entry) if entry.xattrs else ()
    if (uid, gid, xattrs) == (entry.uid, entry.gid, entry.xattrs):
        return entry
    return replace(entry, uid=uid, gid=gid, xattrs=xattrs)


def restored(base: Archive, merged: Archive) -> Archive:
    """A layer over a base, with what the base has that a tree cannot have."""
    hidden = {entry.path: entry for entry in base if _has_hidden(entry)}
    if not hidden:
        return merged
    before: dict[bytes, Entry] = {}
    for entry in merged:
        leader = _leader(entry)
        known = hidden.get(entry.path if base.find(leader) is None else leader)
        if known is not None and leader not in before:
            before[leader] = hidden[_leader(known)]
    for leader, known in list(before.items()):
        if merged.entries[merged.positions[leader]].kind is not known.kind:
            before[leader] = replace(known, xattrs=())

    def changed(entry: Entry) -> Entry:
        known = before.get(_leader(entry))
        return entry if known is None else _with_hidden(entry, known)

    return merged.changed(changed)


def _has_hidden(entry: Entry) -> bool:
    return (
        entry.uid >= MAPPED_IDS
        or entry.gid >= MAPPED_IDS
        or (bool(entry.xattrs) and _shown_xattrs(entry) is not entry.xattrs)
    )


def _leader(entry: Entry) -> bytes:
    """The first name of what has this name."""
    return entry.target if entry.kind is Kind.HARDLINK else entry.path


def _with_hidden(entry: Entry, before: Entry) -> Entry:
    uid, gid = (
        old if old >= MAPPED_IDS and new == NOBODY else new
        for old, new in ((before.uid, entry.uid), (before.gid, entry.gid))
    )
    xattrs = tuple(sorted((*entry.xattrs, *_missing(entry, before))))
    return replace(entry, uid=uid, gid=gid, xattrs=xattrs)


def _missing(entry: Entry, before: Entry) -> Iterator[tuple[bytes, bytes]]:
    """What was hidden of the attributes that something had, and comes back to it."""
    has = {name for name, _ in entry.xattrs}
    for name, value in before.xattrs:
        is_hidden = (name, value) not in _shown_xattrs(before)
        is_stale = name in _OF_CONTENT and entry.digest != before.digest
        if not is_hidden or name in has or is_stale:
            continue
        is_opened = name == XATTR_ACL_ACCESS and entry.mode != before.mode
        yield name, _acl_with(value, entry.mode) if is_opened else value


def _shown_xattrs(entry: Entry) -> Xattrs:
    of_user = sum(len(name) + len(value) for name, value in entry.xattrs if _is_user(name))
    has_room = of_user <= _MOST_OF_USER and entry.kind is not Kind.SYMLINK
    kept = tuple(
        (name, value)
        for name, value in entry.xattrs
        if (name == XATTR_CAPABILITY and not named_ids(name, value))
        or (name in ACLS and all(number < MAPPED_IDS for number in named_ids(name, value)))
        or (_is_user(name) and has_room and not name.startswith(_OVERLAY))
    )
    return entry.xattrs if len(kept) == len(entry.xattrs) else kept


def _is_user(name: bytes) -> bool:
    return name.startswith(b"user.")


def _acl_with(acl: bytes, mode: int) -> bytes:
    """An ACL as chmod(2) leaves it: the owner, the mask or else the group, and others by mode."""
    entries = list(ACL_ENTRY.iter_unpack(acl[4:]))
    group = _MASK if any(tag == _MASK for tag, _, _ in entries) else _GROUP
    shifts = {_OWNER: 6, group: 3, _OTHER: 0}
    return acl[:4] + b"".join(
        ACL_ENTRY.pack(tag, mode >> shifts[tag] & 7 if tag in shifts else permissions, number)
        for tag, permissions, number in entries
    )
