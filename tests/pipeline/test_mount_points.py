"""A file system has the directories of mount points as they are without what is mounted there."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast
from uuid import UUID

import pytest

from dockyard.archive import Archive, Entry, Kind
from dockyard.archive.entry import XATTR_SELINUX
from dockyard.engine.codec import decode, encode
from dockyard.model.architecture import Architecture
from dockyard.model.family import HARBOR
from dockyard.model.filesystems import FileSystemType
from dockyard.pipeline.arguments.image import WriteFilesystem
from dockyard.pipeline.steps.filesystem import content_of

if TYPE_CHECKING:
    from dockyard.engine.work import Work

LABEL = ((XATTR_SELINUX, b"of the policy"),)
WHOLE = Archive(
    [
        Entry(b"", Kind.DIRECTORY, 0o755),
        Entry(b"boot", Kind.DIRECTORY, 0o555, 9, 9, xattrs=LABEL),
        Entry(b"boot/efi", Kind.DIRECTORY, 0o777),
        Entry(b"home", Kind.DIRECTORY, 0o711),
    ]
)
OWN = (
    Entry(b"boot", Kind.DIRECTORY, 0o700, 1, 2, 3, xattrs=((b"user.a", b"b"),)),
    Entry(b"boot/efi", Kind.DIRECTORY, 0o750, xattrs=((XATTR_SELINUX, b"own"),)),
)


def wanted(mount: str, *beneath: Entry) -> WriteFilesystem:
    kind = FileSystemType.EXT4
    found = WriteFilesystem(
        "a", kind, 1, UUID(int=0), "", None, {}, mount, ("/", "/boot", "/boot/efi", "/home"),
        HARBOR.loader, Architecture.X86_64, 0, "root", (), beneath=beneath,
    )  # fmt: skip
    others = tuple(path for path in found.others if path != mount)
    return decode(WriteFilesystem, encode(replace(found, others=others)))


def written(mount: str, *beneath: Entry) -> dict[bytes, Entry]:
    content = content_of(wanted(mount, *beneath), WHOLE, cast("Work", None))
    return {entry.path: entry for entry in content}


def test_a_directory_is_as_it_was_below_the_mount() -> None:
    found = written("/", *OWN)
    assert found[b"boot"] == replace(OWN[0], xattrs=(*LABEL, (b"user.a", b"b")))
    assert found[b"home"].mode == 0o711 and b"boot/efi" not in found
    assert written("/boot", *OWN)[b"efi"] == replace(OWN[1], path=b"efi")
    assert written("/boot", *OWN)[b""].mode == 0o555  # the root of what is mounted is its own


@pytest.mark.parametrize("mount", ["/", "/boot"])
def test_without_a_word_of_them_they_are_what_is_mounted(mount: str) -> None:
    assert {entry.mode for entry in written(mount).values()} <= {0o755, 0o555, 0o777, 0o711}
