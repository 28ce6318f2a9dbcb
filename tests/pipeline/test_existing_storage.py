"""What an image that exists has where another disk must hold it."""

from __future__ import annotations

from pathlib import Path

from dockyard.archive import Archive, Entry, Kind
from dockyard.inspection.tree import Mounted, Tree
from dockyard.pipeline.existing_storage import read_storage


def holding(*paths: bytes) -> Archive:
    data: dict[bytes, bytes | Path] = dict.fromkeys(paths, b"x")
    return Archive.from_entries([Entry(path, Kind.FILE) for path in data], data)


def test_what_a_mount_hides_is_known() -> None:
    tree = Tree(
        [
            Mounted(b"", holding(b"etc/fstab", b"boot/old/vmlinuz", b"home-too", b"srv/a")),
            Mounted(b"boot", holding(b"vmlinuz", b"efi/under")),
            Mounted(b"boot/efi", holding(b"EFI/a")),
            Mounted(b"home", holding(b"anna/file")),
        ]
    )
    assert read_storage(tree).covered == {"/boot": "/boot/old", "/boot/efi": "/boot/efi/under"}


def test_the_directory_of_a_mount_point_is_known_as_it_is_without_the_mount() -> None:
    own = ((b"security.selinux", b"system_u:object_r:mnt_t:s0\0"),)
    root = Archive(
        [
            Entry(b"", Kind.DIRECTORY, 0o755),
            Entry(b"boot", Kind.DIRECTORY, 0o700, 1, 2, 3, xattrs=own),
            Entry(b"home", Kind.DIRECTORY, 0o755),
        ]
    )
    boot = Archive([Entry(b"", Kind.DIRECTORY, 0o755), Entry(b"efi", Kind.DIRECTORY, 0o750)])
    efi = Archive([Entry(b"", Kind.DIRECTORY, 0o777)])
    tree = Tree(
        [Mounted(b"", root), Mounted(b"boot", boot), Mounted(b"boot/efi", efi), Mounted(b"x", efi)]
    )
    assert read_storage(tree).beneath == (
        Entry(b"boot", Kind.DIRECTORY, 0o700, 1, 2, 3, xattrs=own),
        Entry(b"boot/efi", Kind.DIRECTORY, 0o750),
    )
