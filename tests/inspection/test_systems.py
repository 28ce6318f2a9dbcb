"""Where file systems are mounted: by fstab(5), and by their types where that does not name them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from dockyard.archive import Archive, Entry, Kind
from dockyard.disk.gpt import TableEntry
from dockyard.disk.partition_types import NOT_BY_TYPE, type_guid
from dockyard.filesystems.image import Region
from dockyard.filesystems.probe import Content
from dockyard.inspection.disks import FoundPartition
from dockyard.inspection.mount_points import in_the_way, put_together
from dockyard.inspection.systems import mounts_of
from dockyard.inspection.tree import Mounted, Tree
from dockyard.model.architecture import Architecture
from dockyard.model.storage import PartitionType

ROOT = 1


def partition(number: int, kind: PartitionType, attributes: int = 0) -> FoundPartition:
    type_ = type_guid(kind, Architecture.AARCH64)
    entry = TableEntry(number, type_, UUID(int=number), 0, 512, attributes=attributes)
    content = Content("ext4", str(UUID(int=100 + number)), module="ext4")
    return FoundPartition(entry, Region(Path("/disk"), 0, 512), content)


def mounts(root: dict[str, str], *others: FoundPartition) -> dict[int, str]:
    data: dict[bytes, bytes | Path] = {path.encode(): text.encode() for path, text in root.items()}
    entries = [Entry(path, Kind.FILE, 0o644) for path in data]
    archives = {each.number: Archive.from_entries([], {}) for each in others}
    archives[ROOT] = Archive.from_entries(entries, data)
    return mounts_of([partition(ROOT, PartitionType.ROOT), *others], archives, ROOT)


def test_partitions_are_where_their_types_say() -> None:
    others = (
        partition(2, PartitionType.ESP),
        partition(3, PartitionType.USR),
        partition(4, PartitionType.HOME),
        partition(5, PartitionType.SRV),
        partition(6, PartitionType.TMP),
        partition(7, PartitionType.VAR),
        partition(8, PartitionType.LINUX_GENERIC),
    )
    found = mounts({"etc/hostname": "x"}, *others)
    assert found == {2: "/boot", 3: "/usr", 4: "/home", 5: "/srv", 6: "/var/tmp"}


def test_the_efi_system_partition_makes_room_for_the_one_of_the_boot_loader() -> None:
    both = (partition(2, PartitionType.ESP), partition(3, PartitionType.XBOOTLDR))
    assert mounts({}, *both) == {2: "/efi", 3: "/boot"}
    assert mounts({"efi": ""}, partition(2, PartitionType.ESP)) == {2: "/efi"}


@pytest.mark.parametrize("spec", [f"PARTUUID={UUID(int=2)}", f"/dev/disk/by-uuid/{UUID(int=102)}"])
def test_what_fstab_says_comes_first(spec: str) -> None:
    homes = (partition(2, PartitionType.HOME), partition(3, PartitionType.HOME))
    assert mounts({"etc/fstab": f"{spec} /data ext4 defaults"}, *homes) == {2: "/data", 3: "/home"}
    assert mounts({"etc/fstab": f"{spec} /home ext4 defaults"}, *homes) == {2: "/home"}


def test_fields_of_fstab_may_have_bytes_in_octal() -> None:
    own = partition(2, PartitionType.LINUX_GENERIC)
    assert own.content is not None
    named = replace(own, content=replace(own.content, label="my\tho me\\ü"))
    fstab = "LABEL=my\\011ho\\040me\\134\\303\\274 /srv/a\\040b\\011c ext4 defaults 0 2"
    assert mounts({"etc/fstab": fstab}, named) == {2: "/srv/a b\tc"}


def test_a_type_mounts_nothing_over_files_nor_where_the_table_forbids_it() -> None:
    home, kept = partition(2, PartitionType.HOME), partition(3, PartitionType.SRV, NOT_BY_TYPE)
    assert mounts({"home/anna/file": "x"}, home, kept) == {}
    assert mounts({}, home, partition(3, PartitionType.HOME)) == {2: "/home"}


HOSTILE = Tree(
    [
        Mounted(
            b"",
            Archive.from_entries(
                [
                    Entry(b"boot", Kind.DIRECTORY, 0o755),
                    Entry(b"out", Kind.SYMLINK, target=b"/tmp"),
                    Entry(b"srv/up", Kind.SYMLINK, target=b".."),
                    Entry(b"etc/fstab", Kind.FILE),
                ]
            ),
        )
    ]
)


@pytest.mark.parametrize("at", ["/boot", "/srv", "/etc", "/data", "/srv/data"])
def test_a_directory_takes_a_mount_and_the_last_one_may_be_missing(at: str) -> None:
    assert in_the_way(HOSTILE, at) == ""


@pytest.mark.parametrize(
    ("at", "why"),
    [
        ("/out", "/out is a symbolic link"),
        ("/out/x", "/out is a symbolic link"),
        ("/srv/up/tmp", "/srv/up is a symbolic link"),
        ("/etc/fstab", "/etc/fstab is not a directory"),
        ("/data/deep", "/data is not a directory"),
        *((at, "a mount point has no empty name, and neither . nor .. in its path")
          for at in ("/../tmp", "/boot/..", "/boot/../../tmp", "/./boot", "//tmp", "/boot//x",
                     "relative")),
    ],
)  # fmt: skip
def test_nothing_is_mounted_where_a_path_leads_elsewhere(at: str, why: str) -> None:
    assert in_the_way(HOSTILE, at) == why


def test_what_has_no_place_is_left_out_and_told() -> None:
    root = Archive.from_entries([Entry(b"a", Kind.DIRECTORY, 0o755)])
    linked = Archive.from_entries([Entry(b"b", Kind.SYMLINK, target=b"/tmp")])
    wanted = [("/a/b/c", 3, root), ("/", 1, root), ("/a", 2, linked), ("/a", 4, root)]
    trees, misplaced = put_together(wanted)
    assert [each.at for each in trees] == [b"", b"a"]
    assert {each: problem.why for each, problem in misplaced.items()} == {
        (3, "/a/b/c"): "it is to be mounted at /a/b/c, and /a/b is a symbolic link",
        (4, "/a"): "it is to be mounted at /a, and another file system is mounted there",
    }
