"""Owners beyond the ids of the namespace, such as a directory service gives them: known by the
index alone, as device nodes are.

In trees their files belong to nobody (65534), as the kernel shows an id that is not mapped. What a
layer leaves to nobody gets its own owner back; what it gives to another keeps that.
"""

from __future__ import annotations

from dataclasses import replace

from dockyard.archive import Archive, Entry
from dockyard.host.namespace import MAPPED_IDS

NOBODY = 65534


def shown(entry: Entry) -> Entry:
    """The entry as a tree can have it."""
    uid, gid = (NOBODY if number >= MAPPED_IDS else number for number in (entry.uid, entry.gid))
    return entry if (uid, gid) == (entry.uid, entry.gid) else replace(entry, uid=uid, gid=gid)


def with_owners(base: Archive, merged: Archive) -> Archive:
    """A layer over a base, with the owners of the base that a tree cannot have."""
    foreign = {
        entry.path: entry for entry in base if entry.uid >= MAPPED_IDS or entry.gid >= MAPPED_IDS
    }
    if not foreign:
        return merged

    def owned(entry: Entry) -> Entry:
        before = foreign.get(entry.path)
        if before is None:
            return entry
        uid, gid = (
            old if old >= MAPPED_IDS and new == NOBODY else new
            for old, new in ((before.uid, entry.uid), (before.gid, entry.gid))
        )
        return replace(entry, uid=uid, gid=gid)

    return merged.changed(owned)
