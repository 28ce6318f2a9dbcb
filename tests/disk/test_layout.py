"""Where partitions lie, which ids they get, and what is refused, all mistakes together."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from storage_sections import GIB, MIB, one_partition, two_partitions, verity_root

from dockyard.disk import gpt
from dockyard.disk.identity import derive, fat_serial
from dockyard.disk.layout import lay_out, size_text
from dockyard.disk.partition_types import GROW_FILE_SYSTEM, READ_ONLY, type_guid
from dockyard.errors import DockyardError, Position
from dockyard.host.sandbox import Tools
from dockyard.model.architecture import Architecture
from dockyard.model.storage import (
    Disk,
    Erofs,
    ErofsCompression,
    FileSystem,
    FileSystemType,
    MountPoint,
    Partition,
    Storage,
)


def codes(error: pytest.ExceptionInfo[DockyardError]) -> list[str]:
    return [problem.code for problem in error.value.problems]


def disk(*partitions: dict[str, Any], max_size: int | None = None) -> Storage:
    found = tuple(Partition(**item) for item in partitions)
    return Storage(disks=(Disk(max_size=max_size, partitions=found),))


def test_a_growing_partition_ends_a_mebibyte_before_the_disk() -> None:
    layout = lay_out(two_partitions(), b"seed")
    esp, root = layout.partitions
    assert (esp.start, esp.size) == (MIB, 512 * MIB)
    assert (root.start, root.start + root.size) == (513 * MIB, 4 * GIB - MIB)
    assert layout.size == 4 * GIB
    assert not root.start % MIB and not root.size % MIB


def test_a_disk_without_a_size_ends_a_mebibyte_after_its_last_partition() -> None:
    layout = lay_out(disk({"size": 100 * MIB}, {"size": 8 * MIB}), b"seed")
    assert layout.size == 110 * MIB
    assert [item.key for item in layout.partitions] == ["1", "2"]


def test_start_and_end_are_kept() -> None:
    layout = lay_out(disk({"start": 4 * MIB, "end": 9 * MIB}, {"end": 20 * MIB}), b"seed")
    assert [(item.start, item.size) for item in layout.partitions] == [
        (4 * MIB, 5 * MIB),
        (9 * MIB, 11 * MIB),
    ]


def test_ids_come_from_the_seed_alone() -> None:
    first, again = (lay_out(two_partitions(), b"seed") for _ in range(2))
    other = lay_out(two_partitions(), b"other")
    assert first == again
    ids: list[UUID | None] = [first.guid, *(item.guid for item in first.partitions)]
    ids += [item.filesystem.uuid for item in first.partitions if item.filesystem]
    ids += [item.filesystem.hash_seed for item in first.partitions if item.filesystem]
    assert len(set(ids)) == 7
    assert other.guid != first.guid
    assert other.partitions[0].guid != first.partitions[0].guid


def test_a_derived_id_is_a_custom_uuid_and_stays_what_it_is() -> None:
    found = derive(b"seed", "partition", "root")
    assert found.version == 8
    assert found.variant == "specified in RFC 4122"
    assert derive(b"seed", "ab", "c") != derive(b"seed", "a", "bc")


def test_fat_is_named_by_eight_digits() -> None:
    assert fat_serial(UUID("a1b2c3d4-0000-8000-8000-000000000000")) == "A1B2-C3D4"
    esp = lay_out(two_partitions(), b"seed").partition("esp")
    assert esp.filesystem is not None
    assert esp.filesystem.uuid_text == fat_serial(esp.filesystem.uuid)


def test_what_is_asked_of_a_file_system_is_asked_of_its_program() -> None:
    def options(kind: FileSystemType, erofs: Erofs | None = None) -> dict[str, str]:
        system = FileSystem(device_id="rootfs", type=kind, erofs=erofs)
        found = lay_out(one_partition(system), b"seed").partition("rootfs").filesystem
        assert found is not None
        return dict(found.options)

    assert options(FileSystemType.FAT32) == {"fat_bits": "32"}
    assert options(FileSystemType.VFAT) == {}
    assert options(FileSystemType.EROFS) == {"compression": "lz4hc,level=9"}
    plain = Erofs(compression=ErofsCompression.NONE)
    assert options(FileSystemType.EROFS, plain) == {"compression": "none"}
    hard = Erofs(compression=ErofsCompression.ZSTD, level=19)
    assert options(FileSystemType.EROFS, hard) == {"compression": "zstd,level=19"}


def test_types_depend_on_the_architecture() -> None:
    types = [
        lay_out(two_partitions(), b"seed", architecture).partition("rootfs").type_guid
        for architecture in Architecture
    ]
    assert types == [type_guid("root", each) for each in Architecture]
    assert types[0] != types[1]


def test_a_guid_is_a_type() -> None:
    guid = "ec00f135-0000-4000-8000-000000000000"
    layout = lay_out(disk({"size": MIB, "type": guid}, {"size": MIB}), b"seed")
    assert layout.partitions[0].type_guid == UUID(guid)
    assert layout.partitions[1].type_guid == type_guid("linux-generic", Architecture.X86_64)


def test_attributes_say_what_grows_and_what_is_read_only() -> None:
    growing = lay_out(two_partitions(), b"seed").partition("rootfs")
    assert growing.attributes == GROW_FILE_SYSTEM
    read_only = lay_out(two_partitions(options="noatime,ro"), b"seed").partition("rootfs")
    assert read_only.attributes == READ_ONLY
    assert lay_out(verity_root(), b"seed").partition("root").attributes == READ_ONLY
    assert lay_out(two_partitions(), b"seed").partition("esp").attributes == 0


def test_the_file_system_of_a_verity_device_lies_on_its_data_partition() -> None:
    layout = lay_out(verity_root(), b"seed")
    data, hashes = layout.partitions
    assert data.filesystem is not None and data.filesystem.device == "rootverity"
    assert data.verity is not None and data.verity.name == "root"
    assert hashes.filesystem is None and hashes.verity is None
    assert layout.mounted_at("/") is data


def test_all_mistakes_are_reported_together_where_they_stand() -> None:
    storage = disk(
        {"id": "a", "size": 10 * MIB},
        {"id": "b", "start": 5 * MIB, "size": 200 * MIB},
        {"id": "c", "size": 2 * MIB, "type": "rot"},
        max_size=100 * MIB,
    )
    positions = {
        "storage.disks[0].partitions[1]": Position("image.yaml", 10, 9),
        "storage.disks[0].partitions[1].start": Position("image.yaml", 11, 16),
        "storage.disks[0].partitions[2].type": Position("image.yaml", 15, 15),
    }
    with pytest.raises(DockyardError) as error:
        lay_out(storage, b"seed", positions=positions)
    assert [(item.code, item.where) for item in error.value.problems] == [
        ("disk.overlap", Position("image.yaml", 11, 16)),
        ("disk.too-small", Position("image.yaml", 10, 9)),
        ("disk.partition-type", Position("image.yaml", 15, 15)),
        ("disk.too-small", "storage.disks[0].partitions[2].size"),
    ]
    assert "raise maxSize to 206M" in error.value.problems[1].fix


def test_the_second_copy_of_the_table_needs_room() -> None:
    with pytest.raises(DockyardError) as error:
        lay_out(disk({"size": 99 * MIB}, max_size=100 * MIB), b"seed")
    assert codes(error) == ["disk.too-small"]
    assert lay_out(disk({"size": 98 * MIB}, max_size=100 * MIB), b"seed").size == 100 * MIB


def test_no_room_is_left_to_grow() -> None:
    with pytest.raises(DockyardError) as error:
        lay_out(disk({"size": 99 * MIB}, {"size": "grow"}, max_size=100 * MIB), b"seed")
    assert "disk.no-room" in codes(error)


def test_a_growing_disk_needs_a_size() -> None:
    with pytest.raises(DockyardError) as error:
        lay_out(two_partitions(max_size=None), b"seed")
    assert codes(error) == ["disk.size-unknown"]


def test_no_disk_is_an_error() -> None:
    with pytest.raises(DockyardError) as error:
        lay_out(Storage(), b"seed")
    assert codes(error) == ["disk.no-disk"]


@pytest.mark.parametrize(("kind", "size"), [(FileSystemType.XFS, 200), (FileSystemType.BTRFS, 100)])
def test_a_file_system_below_its_least_size_is_refused(kind: FileSystemType, size: int) -> None:
    storage = one_partition(FileSystem(device_id="rootfs", type=kind), size=size * MIB)
    with pytest.raises(DockyardError) as error:
        lay_out(storage, b"seed")
    assert codes(error) == ["disk.filesystem-too-small"]


def test_sizes_are_shown_as_they_are_written() -> None:
    assert [size_text(size) for size in (MIB, 1536 * MIB, 2 * GIB, 1 << 40, 700)] == [
        *("1M", "1536M", "2G", "1T", "700 bytes")
    ]


def test_the_initrd_mounts_the_root_usr_and_what_asks_for_it() -> None:
    assert lay_out(two_partitions(), b"seed").initrd_filesystems == ("ext4",)
    parts: list[dict[str, object]] = [
        {"id": name, "size": 400 * MIB} for name in ("root", "usr", "state", "data")
    ]
    storage = disk(*parts)
    mounts = {
        "root": (FileSystemType.EROFS, "/", ""),
        "usr": (FileSystemType.XFS, "/usr", "ro"),
        "state": (FileSystemType.VFAT, "/state", "noatime,x-initrd.mount"),
        "data": (FileSystemType.BTRFS, "/data", ""),
    }
    filesystems = tuple(
        FileSystem(device_id=name, type=kind, mount_point=MountPoint(path=path, options=options))
        for name, (kind, path, options) in mounts.items()
    )
    layout = lay_out(replace(storage, filesystems=filesystems), b"seed")
    assert layout.initrd_filesystems == ("erofs", "vfat", "xfs")


@pytest.mark.build
@pytest.mark.parametrize("architecture", Architecture)
def test_sfdisk_knows_the_types_by_name(
    tools: Tools, tmp_path: Path, architecture: Architecture
) -> None:
    names: tuple[str, ...] = (
        *("esp", "root", "root-verity", "usr", "usr-verity", "home", "srv", "swap", "var", "tmp"),
        *("xbootldr", "bios-grub", "linux-generic"),
    )
    image = tmp_path / "disk"
    layout = lay_out(disk(*({"size": MIB, "type": name} for name in names)), b"", architecture)
    with image.open("w+b") as file:
        file.truncate(layout.size)
        gpt.write(layout.table, file)
    listing = tools.run(["sfdisk", "-l", "-o", "Type", str(image)], read=[image]).text
    cpu = {Architecture.X86_64: "x86-64", Architecture.AARCH64: "ARM-64"}[architecture]
    assert listing.splitlines()[-len(names) :] == [
        "EFI System",
        f"Linux root ({cpu})",
        f"Linux root verity ({cpu})",
        f"Linux /usr ({cpu})",
        f"Linux /usr verity ({cpu})",
        "Linux home",
        "Linux server data",
        "Linux swap",
        "Linux variable data",
        "Linux temporary data",
        "Linux extended boot",
        "BIOS boot",
        "Linux filesystem",
    ]
