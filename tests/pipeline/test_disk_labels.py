"""The names of file systems follow from those of their partitions."""

from __future__ import annotations

import pytest

from dockyard.model.storage import FileSystemType
from dockyard.pipeline.filesystem_steps import label_of


@pytest.mark.parametrize(
    ("label", "kind", "expected"),
    [
        ("esp", FileSystemType.VFAT, "ESP"),
        ("ESP, one/two", FileSystemType.FAT32, "ESP_ ONE_TW"),
        ("*?.,;:/\\|+=", FileSystemType.VFAT, "_" * 11),
        (' <>[]"', FileSystemType.VFAT, "_" * 5),
        ("data of the shop", FileSystemType.VFAT, "DATA OF THE"),
        ("data of the shop", FileSystemType.XFS, "data of the "),
        ("a/b", FileSystemType.EXT4, "a/b"),
        ("", FileSystemType.VFAT, ""),
    ],
)
def test_a_file_system_has_as_much_of_the_name_as_it_can_hold(
    label: str, kind: FileSystemType, expected: str
) -> None:
    assert label_of(label, kind) == expected
