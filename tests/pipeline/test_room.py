"""What surely does not fit on the disk of an image is told before any work, and what is close."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from test_new_layout import CONFIG, GUIDS, MIB, SIZES

from dockyard.config import load_image
from dockyard.errors import Problem, Severity
from dockyard.formats.containers import Container
from dockyard.model.architecture import Architecture
from dockyard.model.family import HARBOR
from dockyard.model.package_change import Act, PackageChange
from dockyard.model.packages import Lock, Request
from dockyard.pipeline.existing_contents import ExistingContents, keep_contents
from dockyard.pipeline.existing_disk import DiskSource, ExistingPartition
from dockyard.pipeline.existing_layout import layout_of
from dockyard.pipeline.existing_storage import ExistingStorage
from dockyard.pipeline.new_layout import new_layout
from dockyard.pipeline.package_facts import InstalledFacts
from dockyard.pipeline.package_plan import PackageChanges
from dockyard.pipeline.room import rooms, too_small
from dockyard.tree.settings import settings_of

ADDS = "os: {packages: {install: [a]}}"


def partition(number: int, mount: str, size: int) -> ExistingPartition:
    return ExistingPartition(number, f"p{number}", GUIDS[8], GUIDS[number], 0, number << 30, size,
                             "ext4", GUIDS[number], "", mount, (), "ext4")  # fmt: skip


def source(*partitions: ExistingPartition, comes: int = 0) -> DiskSource:
    """An image of 900 MiB of files. comes: bytes that packages bring."""
    parts = partitions or (partition(1, "/", 1 << 30),)
    image = DiskSource(Path("/a"), "", "0f" * 32, Container.RAW, 9 << 30, GUIDS[0], "", parts, 0,
                       Architecture.X86_64, HARBOR, 1, (),
                       storage=ExistingStorage("", MappingProxyType(SIZES), True))  # fmt: skip
    if not comes:
        return image
    none = InstalledFacts(Path("/"), "", "", "", "", False, (), {}, {})
    lock = Lock("a", Request(()))
    change = PackageChange("a", "x86_64", Act.INSTALL, size=comes)
    return replace(image, changes=PackageChanges(lock, "", (), none, (change,)))


def told(tmp_path: Path, text: str, image: DiskSource, *, scripts: bool = False) -> list[Problem]:
    (tmp_path / "config.yaml").write_text(text)
    loaded = load_image(tmp_path / "config.yaml")
    layout = new_layout(loaded, image) if loaded.image.storage.disks else layout_of(image)
    return list(too_small(loaded, image, layout, settings_of(loaded), scripts=scripts))


def test_a_new_disk_is_held_against_the_tree(tmp_path: Path) -> None:
    assert told(tmp_path, CONFIG.replace("ROOT", "640M"), source()) == []  # 900 without /home: 600
    [problem] = told(tmp_path, CONFIG.replace("ROOT", "512M"), source())
    assert problem.code == "disk.tree-does-not-fit" and ":7:" in str(problem.where)
    assert problem.what == (
        "the partition root has 512M, and what of the image goes there has 600 MiB"
    )
    assert problem.fix == "give it 768M or more"
    [problem] = told(tmp_path, CONFIG.replace("ROOT", "640M"), source(comes=99 * MIB))
    assert "699 MiB" in problem.what and "99 MiB of that come now" in problem.why


def test_a_disk_that_is_kept_must_take_what_comes(tmp_path: Path) -> None:
    assert told(tmp_path, ADDS, source(comes=50 * MIB)) == []
    [problem] = told(tmp_path, ADDS, source(comes=200 * MIB))
    assert problem.what == "the image has 1G for /, and what is to be there has 1100 MiB"
    assert "lay out a disk with storage.disks, with 1408M or more for it" in problem.fix
    [problem] = told(tmp_path, ADDS, source(comes=200 * MIB), scripts=True)
    assert problem.severity is Severity.WARNING and "script" in problem.fix
    # A file system that compresses holds more than its size: only writing it tells.
    small = partition(1, "/", 512 * MIB)
    assert told(tmp_path, ADDS, source(small, comes=50 * MIB)) == []


def test_packages_may_go_to_any_place_that_has_room(tmp_path: Path) -> None:
    parts = (partition(1, "/", 740 * MIB), partition(2, "/var", 1 << 30))
    comes = 200 * MIB
    assert told(tmp_path, ADDS, source(*parts, comes=comes)) == []
    homes = (partition(1, "/", 640 * MIB), partition(2, "/home", 1 << 30))
    assert len(told(tmp_path, ADDS, source(*homes, comes=comes))) == 1
    full = (partition(1, "/", 740 * MIB), partition(2, "/var", 210 * MIB))
    assert len(told(tmp_path, ADDS, source(*full, comes=comes))) == 1


def test_files_that_are_added_count_where_they_go(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(b"")
    with (tmp_path / "large").open("r+b") as large:
        large.truncate(400 * MIB)
    text = "os: {additionalFiles: [{source: large, destination: PLACE}]}"
    none: frozenset[str] = frozenset()
    there = frozenset(["/var/old"])
    known = ExistingContents(none, there, {}, {}, (), none, none, {})
    keep_contents(known, tmp_path / "listed")
    parts = (partition(1, "/", 1200 * MIB), partition(2, "/var", 400 * MIB))
    image = replace(source(*parts), listed=tmp_path / "listed")
    assert told(tmp_path, text.replace("PLACE", "/x"), image) == []
    [problem] = told(tmp_path, text.replace("PLACE", "/var/x"), image)
    assert "for /var, and what is to be there has 600 MiB" in problem.what
    assert told(tmp_path, text.replace("PLACE", "/var/old"), image) == []  # in place of another


def test_what_is_close_is_said() -> None:
    image = source(comes=70 * MIB)
    [room] = rooms(image, layout_of(image), ())
    assert room.is_close and not room.is_too_small
    [room] = rooms(source(), layout_of(source()), ())
    assert not room.is_close


def test_of_what_is_compressed_nothing_is_told_before(tmp_path: Path) -> None:
    part = partition(1, "/", 1000 * MIB)
    assert [each.code for each in told(tmp_path, ADDS, source(part, comes=200 * MIB))]
    packed = replace(part, module="btrfs", options={"compression": "zstd:3"})
    assert told(tmp_path, ADDS, source(packed, comes=200 * MIB)) == []
