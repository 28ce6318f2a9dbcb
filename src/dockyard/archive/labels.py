"""SELinux labels of an archive: found apart from its files, and put onto its entries.

The attribute is `security.selinux`, a text that ends with a zero byte, as libselinux writes it.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

from dockyard.archive.archive import Archive
from dockyard.archive.entry import XATTR_SELINUX, Entry, Kind, Xattrs

Labels: TypeAlias = dict[bytes, bytes]
"""Label by path."""


def save(labels: Labels, place: Path) -> None:
    """Write labels to a new file."""
    named = {_text(path): _text(label) for path, label in labels.items()}
    place.write_text(json.dumps(named, sort_keys=True))


def load(place: Path) -> Labels:
    """What was saved."""
    return {_octets(path): _octets(label) for path, label in json.loads(place.read_text()).items()}


def labelled(archive: Archive, labels: Labels) -> Archive:
    """An archive with these labels; what has none here keeps what it had."""

    def change(entry: Entry) -> Entry:
        label = labels.get(entry.target if entry.kind is Kind.HARDLINK else entry.path)
        if label is None:
            return entry
        return replace(entry, xattrs=_with(entry.xattrs, label + b"\0"))

    return archive.changed(change)


def without_labels(archive: Archive) -> Archive:
    """An archive for a file system that has no labels."""
    return archive.changed(
        lambda entry: (
            replace(entry, xattrs=_without(entry.xattrs))
            if entry.xattr(XATTR_SELINUX) is not None
            else entry
        )
    )


def _with(xattrs: Xattrs, value: bytes) -> Xattrs:
    return tuple(sorted((*_without(xattrs), (XATTR_SELINUX, value))))


def _without(xattrs: Xattrs) -> Xattrs:
    return tuple(item for item in xattrs if item[0] != XATTR_SELINUX)


def _text(octets: bytes) -> str:
    return octets.decode(errors="surrogateescape")


def _octets(text: str) -> bytes:
    return text.encode(errors="surrogateescape")
