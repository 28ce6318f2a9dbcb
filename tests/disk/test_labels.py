"""The names of file systems and swap spaces follow from those of their partitions."""

from __future__ import annotations

from uuid import UUID

import pytest

from dockyard.disk.layout import FileSystemLayout, PartitionLayout
from dockyard.filesystems import by_name
from dockyard.model.storage import FileSystemType

NO_ID = UUID(int=0)


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
        ("pages of the shop", None, "pages of the sh"),
    ],
)
def test_what_is_on_a_partition_has_as_much_of_its_name_as_it_can_hold(
    label: str, kind: FileSystemType | None, expected: str
) -> None:
    system = FileSystemLayout("it", kind, NO_ID, NO_ID) if kind else None
    assert PartitionLayout(1, "it", label, 0, 1, NO_ID, NO_ID, filesystem=system).content_label == (
        expected
    )


@pytest.mark.parametrize("kind", FileSystemType)
def test_the_kernels_name_of_a_kind_is_that_of_its_module(kind: FileSystemType) -> None:
    assert by_name(kind).__name__ == f"dockyard.filesystems.{kind.kernel_name}"  # type: ignore[attr-defined]
