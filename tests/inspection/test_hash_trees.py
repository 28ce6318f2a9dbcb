"""Hash trees are found on a disk, and the data of each, by hashes alone."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from uuid import UUID

from dockyard.disk import verity
from dockyard.disk.gpt import TableEntry
from dockyard.filesystems.image import Region
from dockyard.filesystems.probe import Content
from dockyard.inspection.disks import FoundPartition
from dockyard.inspection.verity import find_trees

MIB = 1 << 20
ID = UUID(int=5)


def partition(number: int, image: Path, start: int, size: int, module: str = "") -> FoundPartition:
    entry = TableEntry(number, ID, ID, start, size)
    content = Content("ext4", module=module) if module else None
    return FoundPartition(entry, Region(image, start, size), content)


def test_data_are_told_by_their_hash(tmp_path: Path) -> None:
    disk, tree = tmp_path / "disk", tmp_path / "tree"
    numbers = random.Random(7)
    data = [numbers.randbytes(4 * MIB) for _ in range(2)]
    (tmp_path / "data").write_bytes(data[1])
    superblock = verity.Superblock(ID, 4 * MIB, b"salt")
    verity.write_tree(tmp_path / "data", superblock, tree)
    disk.write_bytes(data[0] + data[1] + tree.read_bytes().ljust(MIB, b"\0"))
    first = partition(1, disk, 0, 4 * MIB, "ext4")
    second = partition(2, disk, 4 * MIB, 4 * MIB, "ext4")
    hashes = partition(3, disk, 8 * MIB, MIB)
    (found,) = find_trees([first, second, hashes])
    assert (found.data, found.hashes, found.offset, found.inline) == (2, 3, 0, False)
    assert found.superblock == superblock
    assert [*find_trees([first, hashes])] == []


def test_a_tree_behind_its_data_that_begins_earlier_than_it_might(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    size = 12 * MIB
    latest = verity.inline_data_size(size)
    for offset in (latest, (latest // MIB - 1) * MIB):
        content = random.Random(offset).randbytes(offset)
        disk.write_bytes(content.ljust(size, b"\0"))
        superblock = verity.Superblock(ID, offset, b"")
        verity.write_tree(disk, superblock, disk, offset)
        one = partition(1, disk, 0, size, "ext4")
        (found,) = find_trees([one])
        assert (found.data, found.hashes, found.offset, found.inline) == (1, 1, offset, True)
        # What only looks like a tree has none of the hashes.
        with disk.open("r+b") as opened:
            opened.write(b"changed")
        assert [*find_trees([one])] == []
        assert [*find_trees([replace(one, content=None)])] == []
