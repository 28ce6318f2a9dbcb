"""SELinux labels on the entries of an archive."""

from __future__ import annotations

from pathlib import Path

from dockyard.archive import Archive, Entry, Kind, labels
from dockyard.archive.entry import XATTR_CAPABILITY, XATTR_SELINUX

LABEL = b"system_u:object_r:bin_t:s0"


def small() -> Archive:
    return Archive(
        [
            Entry(b"", Kind.DIRECTORY),
            Entry(b"a", Kind.FIFO, xattrs=((XATTR_CAPABILITY, b"c"), (XATTR_SELINUX, b"old\0"))),
            Entry(b"b", Kind.HARDLINK, target=b"a"),
            Entry(b"c\xff", Kind.FIFO, xattrs=((b"user.x", b"1"),)),
            Entry(b"d", Kind.FIFO, xattrs=((XATTR_SELINUX, b"kept\0"),)),
        ]
    )


def test_labels_are_put_in_place_of_others(tmp_path: Path) -> None:
    found = {b"": LABEL, b"a": LABEL, b"c\xff": LABEL}
    labels.save(found, tmp_path / "labels")
    assert labels.load(tmp_path / "labels") == found
    told = labels.labelled(small(), found)
    attribute = (XATTR_SELINUX, LABEL + b"\0")
    assert [entry.xattrs for entry in told] == [
        (attribute,),
        ((XATTR_CAPABILITY, b"c"), attribute),
        (attribute,),  # of a hard link's first name
        (attribute, (b"user.x", b"1")),
        ((XATTR_SELINUX, b"kept\0"),),
    ]


def test_a_file_system_without_labels_has_none() -> None:
    told = labels.without_labels(small())
    assert [entry.xattrs for entry in told] == [
        *((), ((XATTR_CAPABILITY, b"c"),), (), ((b"user.x", b"1"),), ())
    ]
