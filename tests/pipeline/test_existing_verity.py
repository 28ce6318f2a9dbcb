"""Checked roots of images that exist are judged before any work."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from dockyard.archive import Entry, Kind
from dockyard.config import parse_image
from dockyard.disk.kernel_cmdline import verity_words
from dockyard.disk.partitions import DiskLayout, FileSystemLayout, PartitionLayout
from dockyard.errors import DockyardError
from dockyard.formats.containers import Container
from dockyard.model.architecture import Architecture
from dockyard.model.family import FAMILIES
from dockyard.model.filesystems import FileSystemType, MountPoint
from dockyard.pipeline.existing_disk import DiskSource, ExistingVerity
from dockyard.pipeline.existing_facts import newest
from dockyard.pipeline.existing_verity import mounts_of_devices, with_verity

MIB = 1 << 20
HASH = "ab" * 32
SEALED = ExistingVerity(2, 3, 0, "root", str(UUID(int=7)), "00ff", HASH)


def partition(number: int, label: str, size: int, mount: str = "") -> PartitionLayout:
    system = FileSystemLayout("x", FileSystemType.EXT4, UUID(int=1), None, MountPoint(path=mount))
    return PartitionLayout(
        number=number,
        id="",
        label=label,
        start=number << 30,
        size=size,
        type_guid=UUID(int=2),
        guid=UUID(int=number),
        filesystem=system if mount else None,
        kept=not mount,
    )


LAYOUT = DiskLayout(
    8 << 30,
    UUID(int=3),
    (
        partition(1, "esp", 64 * MIB, "/boot/efi"),
        partition(2, "root", 512 * MIB, "/"),
        partition(3, "hash", 8 * MIB),
        partition(4, "var", 64 * MIB, "/var"),
    ),
)


def source(*verity: ExistingVerity) -> DiskSource:
    return DiskSource(
        image=Path("x"), stamp="", digest="00", container=Container.RAW, size=1, table="",
        boot_code="", partitions=(), epoch=0, architecture=Architecture.X86_64,
        family=FAMILIES[0], package_count=0, tools=(), verity=verity,
    )  # fmt: skip


def judged(text: str, *verity: ExistingVerity, layout: DiskLayout = LAYOUT) -> DiskLayout:
    return with_verity(parse_image(text), source(*verity), layout, b"seed")


def codes(text: str, *verity: ExistingVerity, layout: DiskLayout = LAYOUT) -> list[str]:
    with pytest.raises(DockyardError) as error:
        judged(text, *verity, layout=layout)
    return [problem.code for problem in error.value.problems]


def test_without_a_word_it_is_refused_and_without_verity_nothing_is_asked() -> None:
    assert codes("os: {hostname: a}\n", SEALED) == ["image.verity-undecided"]
    assert judged("os: {hostname: a}\n") == LAYOUT


def test_kept_means_that_neither_data_nor_hashes_are_written() -> None:
    laid = judged("storage: {reinitializeVerity: none}\n", SEALED)
    data, hashes = laid.partitions[1:3]
    assert data.kept and hashes.kept and data.verity is not None
    assert verity_words(laid, data, data.verity)[0] == f"roothash={HASH}"
    assert mounts_of_devices(parse_image("os: {}\n"), laid) == ()


def test_hashed_anew_with_the_ids_that_it_had() -> None:
    laid = judged("storage: {reinitializeVerity: all}\n", SEALED)
    data, hashes = laid.partitions[1:3]
    assert not data.kept and not hashes.kept and data.verity is not None
    assert (data.verity.uuid, data.verity.salt) == (UUID(int=7), b"\0\xff")
    assert verity_words(laid, data, data.verity)[0] == "roothash={roothash}"


@pytest.mark.parametrize(
    "os", ["hostname: a", "packages: {remove: [a]}", "users: [{name: a}]", "groups: [{name: a}]"]
)
def test_what_would_change_what_is_kept_is_named(os: str) -> None:
    text = f"storage: {{reinitializeVerity: none}}\nos: {{{os}}}\n"
    assert codes(text, SEALED) == ["image.verity-kept"]
    kept_usr = replace(SEALED, name="usr")
    if os.startswith("packages"):
        assert codes(text, kept_usr) == ["image.verity-kept"]
    else:
        assert judged(text, kept_usr).partitions[1].kept


def test_a_tree_that_does_not_fit_and_a_hash_that_nothing_boots_with() -> None:
    small = replace(LAYOUT.partitions[2], size=MIB)
    layout = replace(LAYOUT, partitions=(*LAYOUT.partitions[:2], small, LAYOUT.partitions[3]))
    text = "storage: {reinitializeVerity: all}\n"
    assert codes(text, SEALED, layout=layout) == ["disk.hash-too-small"]
    assert codes(text, replace(SEALED, root_hash="")) == ["image.no-root-hash"]


DEVICE = (
    "storage: {{verity: [{{id: v, name: {name}, dataDevice: {{id: {data}}}, "
    "hashDevice: {{id: {hash}}}}}]}}\n"
)


def test_partitions_that_are_there_get_a_device() -> None:
    laid = judged(DEVICE.format(name="root", data="root", hash="hash"))
    data, hashes = laid.partitions[1:3]
    assert data.verity is not None and data.verity.hashes == hashes.key and not hashes.kept
    assert data.filesystem is not None and data.filesystem.mount is not None
    assert data.filesystem.mount.options == "ro"
    (setting,) = mounts_of_devices(parse_image("os: {}\n"), laid)
    assert (setting.path, setting.device) == ("/", "/dev/mapper/root")


@pytest.mark.parametrize(
    ("name", "data", "hashes"),
    [("root", "none", "hash"), ("root", "root", "var"), ("root", "var", "hash"),
     ("usr", "root", "hash"), ("root", "root", "root")],
)  # fmt: skip
def test_partitions_that_cannot_be_are_named(name: str, data: str, hashes: str) -> None:
    found = codes(DEVICE.format(name=name, data=data, hash=hashes))
    assert set(found) == {"image.verity-partition"}


def test_a_root_that_is_only_read_needs_a_var() -> None:
    layout = replace(LAYOUT, partitions=LAYOUT.partitions[:3])
    text = DEVICE.format(name="root", data="root", hash="hash")
    assert codes(text, layout=layout) == ["build.read-only-var"]


def test_a_time_that_32_bits_cannot_have_makes_nothing_newer() -> None:
    seconds = (15_032_385_535, -5, 1_700_000_000, 1 << 31)
    entries = [Entry(b"", Kind.DIRECTORY, mtime_ns=each * 10**9 + 1) for each in seconds]
    assert newest(entries) == 1_700_000_000
    assert newest([]) == 0
