"""FAT: files and directories come back, twice the same bytes; everything else is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import written_image

from dockyard.archive import Archive, Entry, Kind
from dockyard.archive.entry import XATTR_SELINUX
from dockyard.errors import DockyardError
from dockyard.filesystems import vfat
from dockyard.filesystems.vfat.volume import Volume
from dockyard.host.sandbox import Tools
from nasty_archive import SECOND, T, directory, file, nasty, same

SPEC = replace(written_image.SPEC, label="ESP")
build = pytest.mark.build
DATA = {
    b"EFI/BOOT/BOOTX64.EFI": b"MZ" * 70_000,
    b"EFI/Linux/harbor-6.12.efi": bytes(range(256)) * 4000,
    b"loader/loader.conf": b"timeout 0\n",
    b"loader/entries.srel": b"",
    b"a name with spaces, $(sh) and 'quotes'.txt": b"q",
    "größe.txt".encode(): b"umlaut",
    b"lower.txt": b"l",
    b"UPPER.TXT": b"u",
    b"-dash": b"-",
}


def esp() -> Archive:
    """Times are even seconds, which FAT can hold; the root has none."""
    made = Archive.from_entries([file(path) for path in DATA], DATA)
    return made.changed(
        lambda entry: replace(
            entry,
            mtime_ns=(T - len(entry.path) * 2 * SECOND if entry.path else 0)
            if entry.kind is Kind.DIRECTORY
            else T,
        )
    )


@build
@pytest.mark.parametrize(("size", "bits"), [(64, 32), (20, 16), (2, 12)])
def test_files_come_back(tools: Tools, tmp_path: Path, size: int, bits: int) -> None:
    image = tmp_path / "image"
    assert vfat.refuse(esp()) == []
    vfat.write(esp(), image, size << 20, SPEC, tools)
    assert image.stat().st_size == size << 20
    found = vfat.read(image)
    same(found, esp())
    assert found.read(b"EFI/BOOT/BOOTX64.EFI") == DATA[b"EFI/BOOT/BOOTX64.EFI"]
    tools.run(["fsck.vfat", "-n", str(image)], read=[image])
    assert Volume(image).bits == bits
    assert vfat.volume_id(SPEC) == "0A0B-0C0D"
    assert Volume(image).volume_id == 0x0A0B0C0D


@build
def test_the_same_bytes_twice(tools: Tools, tmp_path: Path) -> None:
    for name in ("one", "two"):
        vfat.write(esp(), tmp_path / name, 40 << 20, SPEC, tools)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


@build
def test_the_minimum_size_is_enough(tools: Tools, tmp_path: Path) -> None:
    data = {b"d%d/%05d-long-name.conf" % (at % 9, at): b"x" * 700 for at in range(600)}
    data[b"large"] = bytes(60 << 20)
    archive = Archive.from_entries([file(path) for path in data], data)
    vfat.write(archive, tmp_path / "image", vfat.minimum_size(archive), SPEC, tools)
    assert len(vfat.read(tmp_path / "image")) == len(archive)


def test_what_cannot_be_held_is_refused_by_path() -> None:
    found = {problem.code: problem.where for problem in vfat.refuse(nasty())}
    assert found == {
        "filesystems.kind": "/dev/far",
        "filesystems.name": "/name\\x0awith newline",
        "filesystems.owner": "/dev/sda",
        "filesystems.special-mode": "/m/1777",
        "filesystems.xattr": "/x/acl",
    }
    archive = Archive.from_entries([file(b"a/File"), file(b"a/file"), directory(b"trailing.")])
    assert {(problem.code, problem.where) for problem in vfat.refuse(archive)} == {
        ("filesystems.same-name", "/a/file"),
        ("filesystems.name", "/trailing."),
    }


def test_long_labels_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DockyardError) as caught:
        vfat.write(esp(), tmp_path / "i", 1, replace(SPEC, label="x" * 12), Tools(tmp_path))
    assert caught.value.problems[0].code == "filesystems.long-label"


def test_labels_of_selinux_are_no_reason_to_refuse() -> None:
    label = ((XATTR_SELINUX, b"l"),)
    archive = Archive.from_entries([Entry(b"f", Kind.FILE, xattrs=label)])
    assert vfat.refuse(archive) == []


@build
def test_fat32_is_fat32_from_its_least_size_on(tools: Tools, tmp_path: Path) -> None:
    image = tmp_path / "image"
    spec = replace(SPEC, label="", options={"fat_bits": "32"})
    vfat.write(Archive.from_entries([file(b"a")]), image, 33 << 20, spec, tools)
    sector = image.read_bytes()[:512]
    assert sector[82:90] == b"FAT32   "
    per_cluster, reserved, tables = sector[13], int.from_bytes(sector[14:16], "little"), sector[16]
    total, table = (int.from_bytes(sector[at : at + 4], "little") for at in (32, 36))
    # What a file system is, is decided by its number of clusters alone.
    assert (total - reserved - tables * table) // per_cluster >= 65525


@pytest.mark.build
@pytest.mark.parametrize(("bits", "size"), [("12", 8), ("16", 64), ("32", 64)])
def test_the_bits_of_an_image_are_known(tools: Tools, tmp_path: Path, bits: str, size: int) -> None:
    archive = Archive.from_entries([file(b"EFI/file")], {b"EFI/file": b"x" * 5000})
    spec = replace(SPEC, label="", options={"fat_bits": bits})
    vfat.write(archive, tmp_path / "image", size << 20, spec, tools)
    assert vfat.made_as(tmp_path / "image")["fat_bits"] == bits
