"""The flags of chattr(1): kept by the file systems that have them."""

from __future__ import annotations

import io
from pathlib import Path
from uuid import UUID

import pytest

from dockyard.archive import Archive, read_stream, write_stream
from dockyard.archive.flags import flags_of, held, with_flags
from dockyard.filesystems import FilesystemSpec, by_name
from dockyard.host.sandbox import Tools
from nasty_archive import LABEL, directory, file, same

SPEC = FilesystemSpec(UUID(int=0x0F1A65 << 96 | 1), epoch=1_767_225_600)
CHECKS = {
    "ext4": ["e2fsck", "-fn"],
    "xfs": ["xfs_repair", "-n"],
    "btrfs": ["btrfs", "check", "--check-data-csum"],
}


def flagged() -> Archive:
    labelled = ((b"security.selinux", LABEL), (b"user.a", b"1"))
    entries = [
        directory(b"", xattrs=with_flags((), "d")),
        directory(b"journal", xattrs=with_flags(labelled, "CDTA")),
        file(b"log", uid=70_000, xattrs=with_flags((), "aS")),
        file(b"disk", xattrs=with_flags((), "C")),
        file(b"packed", xattrs=with_flags(labelled, "ci")),
        file(b"plain", xattrs=labelled),
    ]
    return Archive.from_entries(entries, {b"packed": b"data" * 5000, b"log": b"line\n"})


@pytest.mark.build
@pytest.mark.parametrize("kind", CHECKS)
def test_flags_come_back(tools: Tools, testing_tools: Tools, tmp_path: Path, kind: str) -> None:
    module, image = by_name(kind), tmp_path / "image"
    made_by = tools if module.needs == "main" else testing_tools
    archive = held(flagged(), module.flags)
    assert module.refuse(archive) == []
    module.write(archive, image, 320 << 20, SPEC, made_by)
    found = module.read(image, made_by, tmp_path)
    same(found, archive)
    made_by.run([*CHECKS[kind], str(image)], read=[image])
    assert {entry.path: flags_of(entry) for entry in found if flags_of(entry)} == {
        "ext4": {b"": "d", b"journal": "ADT", b"log": "Sa", b"packed": "ci"},
        "xfs": {b"": "d", b"journal": "A", b"log": "Sa", b"packed": "i"},
        "btrfs": {b"": "d", b"journal": "ACD", b"log": "Sa", b"disk": "C", b"packed": "i"},
    }[kind]


@pytest.mark.parametrize("kind", ["erofs", "squashfs", "vfat", "iso9660"])
def test_file_systems_without_flags_leave_them_out(kind: str) -> None:
    assert not any(flags_of(entry) for entry in held(flagged(), by_name(kind).flags))


def test_a_stream_has_them() -> None:
    stream = io.BytesIO()
    write_stream(flagged(), stream)
    assert b"SCHILY.fflags=compress,schg\n" in stream.getvalue()
    stream.seek(0)
    found = {member.entry.path: flags_of(member.entry) for member in read_stream(stream)}
    assert found == {entry.path: flags_of(entry) for entry in flagged()}
