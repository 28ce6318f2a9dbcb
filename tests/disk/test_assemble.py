"""A disk holds its partitions' content at their places, stays sparse, and is whole or not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from dockyard.disk import gpt
from dockyard.disk.assemble import assemble
from dockyard.disk.layout import DiskLayout, lay_out
from dockyard.errors import DockyardError
from dockyard.model.storage import Disk, Partition, Storage

MIB = 1 << 20


@pytest.fixture
def layout() -> DiskLayout:
    partitions = (Partition(id="esp", size=16 * MIB), Partition(id="rootfs", size="grow"))
    return lay_out(Storage(disks=(Disk(max_size=64 * MIB, partitions=partitions),)), b"seed")


def sparse(path: Path, size: int, data: dict[int, bytes]) -> Path:
    with path.open("wb") as file:
        file.truncate(size)
        for at, content in data.items():
            file.seek(at)
            file.write(content)
    return path


def test_content_lies_at_its_place_and_holes_stay(layout: DiskLayout, tmp_path: Path) -> None:
    esp = sparse(tmp_path / "esp", 16 * MIB, {0: b"first", 10 * MIB: b"x" * 5000})
    root = sparse(tmp_path / "root", 30 * MIB, {30 * MIB - 4: b"last"})
    out = tmp_path / "disk.raw"
    assemble(layout, {"esp": esp, "rootfs": root}, out)
    with out.open("rb") as disk:
        assert gpt.read(disk) == layout.table
        for at, content in (
            (MIB, b"first"),
            (11 * MIB, b"x" * 5000),
            (47 * MIB - 4, b"last\0"),
        ):
            disk.seek(at)
            assert disk.read(len(content)) == content
    assert out.stat().st_size == 64 * MIB
    assert out.stat().st_blocks * 512 < MIB
    assert sorted(path.name for path in tmp_path.iterdir()) == ["disk.raw", "esp", "root"]


def test_same_parts_same_bytes(layout: DiskLayout, tmp_path: Path) -> None:
    root = sparse(tmp_path / "root", MIB, {4096: b"data"})
    for name in ("a", "b"):
        assemble(layout, {"rootfs": root}, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_what_does_not_fit_is_refused_and_leaves_nothing(
    layout: DiskLayout, tmp_path: Path
) -> None:
    esp = sparse(tmp_path / "esp", 17 * MIB, {})
    with pytest.raises(DockyardError) as error:
        assemble(layout, {"esp": esp, "data": esp}, tmp_path / "disk.raw")
    assert [problem.code for problem in error.value.problems] == [
        "disk.unknown-partition",
        "disk.partition-too-small",
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["esp"]
