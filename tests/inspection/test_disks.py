"""Disks of all formats are opened; what is none is refused with its name and a way out."""

from __future__ import annotations

import gzip
import struct
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from dockyard.archive import Archive, Entry, Kind
from dockyard.disk import gpt
from dockyard.errors import DockyardError
from dockyard.filesystems import FilesystemSpec, by_name, swap
from dockyard.filesystems.probe import probe
from dockyard.formats.containers import Container, container_of, raw_disk
from dockyard.formats.vhd_fixed import footer
from dockyard.host.sandbox import Tools
from dockyard.inspection.disks import FoundPartition, open_disk
from dockyard.inspection.subvolumes import read_subvolume
from dockyard.inspection.systems import find_system
from dockyard.tools.unpacked import ToolTrees

MIB = 1 << 20
ROOT = UUID("4f68bce3-e8cd-4db1-96e7-fbcaf984b709")
GUID = UUID("12345678-1234-5678-1234-567812345678")
SPEC = FilesystemSpec(uuid=GUID, label="it", epoch=1_700_000_000)


def small_root() -> Archive:
    files = {b"etc/os-release": b"ID=harbor\nVERSION_ID=1\n", b"data": bytes(range(256)) * 4000}
    return Archive.from_entries([Entry(path, Kind.FILE, 0o644) for path in files], dict(files))


@pytest.fixture
def disk(tools: Tools, tmp_path: Path) -> Path:
    """A disk with one ext4, whose table has a second entry that is empty."""
    part, whole = tmp_path / "part", tmp_path / "disk.raw"
    by_name("ext4").write(small_root(), part, 16 * MIB, SPEC, tools)
    entries = (
        gpt.TableEntry(1, ROOT, UUID(int=1), MIB, 16 * MIB, "root"),
        gpt.TableEntry(3, ROOT, UUID(int=3), 17 * MIB, MIB, "empty"),
    )
    with whole.open("wb") as file:
        file.truncate(20 * MIB)
        file.seek(MIB)
        file.write(part.read_bytes())
    with whole.open("r+b") as file:
        gpt.write(gpt.Table(GUID, 20 * MIB, entries), file)
    return whole


def refusal(image: Path, scratch: Path) -> str:
    with pytest.raises(DockyardError) as caught:
        open_disk(image, scratch, Tools(scratch))
    (problem,) = caught.value.problems
    assert problem.where == str(image) and problem.fix
    return problem.why


@pytest.mark.build
@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (Container.QCOW2, ["-O", "qcow2", "-c"]),
        (Container.VHD, ["-O", "vpc", "-o", "force_size"]),
        (Container.VHD_FIXED, ["-O", "vpc", "-o", "subformat=fixed,force_size"]),
        (Container.VHDX, ["-O", "vhdx"]),
        (Container.VMDK, ["-O", "vmdk", "-o", "subformat=streamOptimized"]),
    ],
)
def test_a_disk_is_the_same_in_every_format(
    disk: Path,
    tools: Tools,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: Container,
    words: list[str],
) -> None:
    image = tmp_path / "named-like.nothing"
    image.touch()
    argv = ["qemu-img", "convert", "-f", "raw", *words, str(disk), str(image)]
    tools.run(argv, read=[disk], write=[image])
    assert container_of(image) is kind
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    raw = raw_disk(Path("..", image.name), tmp_path, tools)
    assert raw.path.read_bytes()[: raw.size] == disk.read_bytes()
    before = image.read_bytes()
    found = open_disk(image, tmp_path, tools)
    assert [(each.number, each.content and each.content.kind) for each in found.partitions] == [
        (1, "ext4"),
        (3, None),
    ]
    system = find_system(found, tmp_path, ToolTrees(tools, tools))
    assert system.tree.text("/etc/os-release") == "ID=harbor\nVERSION_ID=1\n"
    assert image.read_bytes() == before


@pytest.mark.build
def test_a_file_system_alone_is_a_disk_without_a_table(tools: Tools, tmp_path: Path) -> None:
    image = tmp_path / "root.img"
    by_name("ext4").write(small_root(), image, 16 * MIB, SPEC, tools)
    found = open_disk(image, tmp_path, tools)
    assert found.table is None and found.partitions[0].number == 0
    assert find_system(found, tmp_path, ToolTrees(tools, tools)).mounts == {0: "/"}


@pytest.mark.build
@pytest.mark.parametrize("name", ["ext4", "erofs", "xfs", "btrfs", "vfat"])
def test_file_systems_are_known_with_their_ids(
    tools: Tools, testing_tools: Tools, tmp_path: Path, name: str
) -> None:
    filesystem, image = by_name(name), tmp_path / "image"
    given = tools if filesystem.needs == "main" else testing_tools
    size = {"xfs": 320, "btrfs": 160, "erofs": 0}.get(name, 8) * MIB
    holds = Archive.from_entries([Entry(b"f", Kind.FILE, 0o644)], {b"f": b"data"})
    filesystem.write(holds, image, size, replace(SPEC, label="IT"), given)
    content = probe(image)
    assert content is not None
    assert (content.kind, content.module, content.label) == (name, name, "IT")
    assert content.uuid == (str(GUID) if name != "vfat" else content.uuid) and content.uuid


@pytest.mark.build
def test_swap_space_is_known(tools: Tools, tmp_path: Path) -> None:
    swap.write(tmp_path / "swap", 4 * MIB, GUID, "pages", tools)
    found = probe(tmp_path / "swap")
    assert found is not None
    assert (found.kind, found.uuid, found.label, found.module) == ("swap", str(GUID), "pages", "")


@pytest.mark.parametrize(
    ("at", "magic", "kind"),
    [
        (0, b"LUKS\xba\xbe\0\2", "LUKS"),
        (512, b"LABELONE" + bytes(16) + b"LVM2 001", "LVM"),
        (4096, (0xA92B4EFC).to_bytes(4, "little") + b"\1\0\0\0", "RAID"),
        (0, b"verity\0\0", "verity-hash"),
        (3, b"NTFS    ", "ntfs"),
        (1024, b"\x10\x20\xf5\xf2", "f2fs"),
    ],
)
def test_what_is_not_read_is_told_by_its_name(
    tmp_path: Path, at: int, magic: bytes, kind: str
) -> None:
    image = tmp_path / "image"
    image.write_bytes(bytes(at) + magic + bytes(100_000))
    found = probe(image)
    assert found is not None and found.kind == kind and not found.module
    assert kind in refusal(image, tmp_path)


@pytest.mark.parametrize("size", [0, 1, 511, 512, 4096, 70_000])
def test_bytes_without_meaning_are_no_file_system(tmp_path: Path, size: int) -> None:
    (tmp_path / "image").write_bytes(bytes(size))
    assert probe(tmp_path / "image") is None


def test_what_is_no_disk_is_refused_with_what_it_is(tmp_path: Path) -> None:
    image = tmp_path / "image"
    with pytest.raises(DockyardError, match="cannot be read"):
        open_disk(image, tmp_path, Tools(tmp_path))
    image.write_bytes(gzip.compress(b"disk"))
    assert "gzip" in refusal(image, tmp_path)
    image.write_bytes(b"etc/hosts".ljust(257, b"\0") + b"ustar\00000".ljust(2000, b"\0"))
    assert "tar file" in refusal(image, tmp_path)
    image.write_bytes(b"short")
    assert "5 bytes" in refusal(image, tmp_path)
    image.write_bytes(b"QFI\xfb\0\0\0\3" + bytes(90))
    assert "ends within its header" in refusal(image, tmp_path)
    image.write_bytes(b"# Disk DescriptorFile\nversion=1\n" + bytes(2000))
    assert "other files" in refusal(image, tmp_path)


def test_a_disk_with_an_mbr_alone_is_refused_by_name(tmp_path: Path) -> None:
    image = tmp_path / "image"
    entry = struct.pack("<B3sB3sII", 0x80, b"\0\0\0", 0x83, b"\0\0\0", 2048, 4096)
    image.write_bytes(bytes(446) + entry + bytes(48) + b"\x55\xaa" + bytes(MIB))
    assert "MBR" in refusal(image, tmp_path)


def test_an_image_that_needs_other_files_is_refused_before_anybody_opens_them(
    tmp_path: Path,
) -> None:
    image = tmp_path / "image"
    head = bytearray(4096)
    head[:8] = b"QFI\xfb\0\0\0\3"
    for at, form, value, words in (
        (8, ">Q", 512, "backing file"),
        (72, ">Q", 4, "data are in another file"),
        (32, ">I", 2, "encrypted"),
    ):
        changed = bytearray(head)
        struct.pack_into(form, changed, at, value)
        image.write_bytes(changed)
        assert words in refusal(image, tmp_path)
    difference = bytearray(footer(MIB, GUID.bytes, 1_700_000_000))
    struct.pack_into(">I", difference, 60, 4)
    image.write_bytes(bytes(MIB) + difference)
    assert "differencing" in refusal(image, tmp_path)


@pytest.mark.build
def test_a_table_that_lies_about_its_partitions_is_told_of(disk: Path, tools: Tools) -> None:
    entries = (
        gpt.TableEntry(1, ROOT, UUID(int=1), MIB, 16 * MIB, "root"),
        gpt.TableEntry(2, ROOT, UUID(int=3), 5 * MIB, -3 * MIB, "inside out"),
    )
    with disk.open("r+b") as file:
        gpt.write(gpt.Table(GUID, 20 * MIB, entries), file)
    found = open_disk(disk, disk.parent, tools)
    assert [each.content and each.content.kind for each in found.partitions] == ["ext4", None]
    past = gpt.TableEntry(3, ROOT, UUID(int=2), 19 * MIB, 2 * MIB, "past the end")
    with disk.open("r+b") as file:
        gpt.write(gpt.Table(GUID, 20 * MIB, (*entries, past)), file)
    with pytest.raises(DockyardError) as caught:
        open_disk(disk, disk.parent, tools)
    (problem,) = caught.value.problems
    assert problem.why == f"it ends {MIB} bytes before the end of partition 3"


@pytest.mark.build
def test_a_root_in_a_subvolume_is_found_with_those_that_its_fstab_mounts(
    testing_tools: Tools, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Fedora lays its disks out: the default is the outermost, which has no files."""
    read: list[int] = []

    def noted(partition: FoundPartition, number: int, *, digests: bool) -> Archive:
        read.append(number)
        return read_subvolume(partition, number, digests=digests)

    monkeypatch.setattr("dockyard.inspection.systems.read_subvolume", noted)
    content, image = tmp_path / "content", tmp_path / "image"
    for path, text in {
        "root/etc/os-release": "ID=fedora\nVERSION_ID=42\n",
        "root/etc/fstab": f"UUID={GUID} / btrfs subvol=root 0 0\n"
        f"UUID={GUID} /home btrfs subvol=home,compress=zstd:1 0 0\n"
        f"UUID={GUID} /srv btrfs subvol=home 0 0\nUUID={GUID} /opt btrfs subvol=home 0 0\n",
        "home/user/file": "of a user",
    }.items():
        (content / path).parent.mkdir(parents=True, exist_ok=True)
        (content / path).write_text(text)
    for name in ("home", "srv", "opt"):
        (content / "root" / name).mkdir()
    with image.open("wb") as file:
        file.truncate(160 * MIB)
    argv = ["mkfs.btrfs", "-q", "-U", str(GUID), "--rootdir", str(content)]
    argv += ["--subvol", "root", "--subvol", "home", str(image)]
    testing_tools.run(argv, read=[content], write=[image])
    system = find_system(
        open_disk(image, tmp_path, testing_tools), tmp_path, ToolTrees(testing_tools, testing_tools)
    )
    assert system.tree.text("/etc/os-release") == "ID=fedora\nVERSION_ID=42\n"
    assert system.tree.text("/home/user/file") == system.tree.text("/srv/user/file") == "of a user"
    found = {one.path: one for one in system.volumes[0]}
    assert {one.path: (one.mount, one.also) for one in found.values()} == {
        "": ("", ()),
        "root": ("/", ()),
        "home": ("/home", ("/srv", "/opt")),
    }
    # Once for all places, and perhaps to see whether it is the root.
    assert read.count(found["home"].known.number) <= 2
    assert system.mounts == {0: "/"}
