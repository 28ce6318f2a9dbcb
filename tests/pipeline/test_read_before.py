"""What is known of a disk that was judged, for the step that takes it apart."""

from __future__ import annotations

import os
from pathlib import Path

from dockyard.archive import Archive, TreeSource
from dockyard.filesystems.image import Region
from dockyard.filesystems.inodes import InodeSource
from dockyard.pipeline import read_before


def _region(tmp_path: Path) -> Region:
    disk = tmp_path / "disk"
    disk.write_bytes(b"x" * 100)
    return Region(disk, 10, 20)


def test_what_was_read_is_taken_once(tmp_path: Path) -> None:
    region, found = _region(tmp_path), Archive([], [InodeSource({}, lambda _: iter(()))])
    read_before.note(region, found)
    assert read_before.take(Region(region.path, 10, 21)) is None
    assert read_before.take(region) is found
    assert read_before.take(region) is None


def test_nothing_is_known_of_a_disk_that_was_written_to(tmp_path: Path) -> None:
    region = _region(tmp_path)
    read_before.note(region, Archive([], [InodeSource({}, lambda _: iter(()))]))
    os.utime(region.path, ns=(1, 1))
    assert read_before.take(region) is None


def test_data_that_lie_elsewhere_are_not_relied_on(tmp_path: Path) -> None:
    region = _region(tmp_path)
    read_before.note(region, Archive([], [TreeSource(tmp_path)]))
    assert read_before.take(region) is None
