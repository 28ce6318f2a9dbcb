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
