"""What a COSI file holds, seen by tarfile, zstd and a schema; and read back by our own reader."""

from __future__ import annotations

import hashlib
import json
import subprocess
import tarfile
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from image_parts import MIB, SYSTEM, parts

import dockyard
from cosi_schema import SCHEMA
from dockyard.disk.assemble import assemble
from dockyard.errors import DockyardError
from dockyard.formats import by_name
from dockyard.formats.containers import Container, container_of, raw_disk
from dockyard.formats.cosi_regions import data_outside
from dockyard.formats.parts import Parts
from dockyard.formats.system import System, VerityOf
from dockyard.host.sandbox import Tools
from features import Proof, covers

pytestmark = pytest.mark.build


def written(given: Parts, folder: Path, tools: Tools, name: str = "cosi") -> Path:
    (out,) = by_name(name).write(given, folder, tools)
    return out


def raw(given: Parts, folder: Path) -> bytes:
    assert given.layout is not None
    disk = folder / "disk.raw"
    assemble(given.layout, given.partitions, disk)
    return disk.read_bytes()


def metadata_in(file: tarfile.TarFile) -> dict[str, Any]:
    member = file.extractfile("metadata.json")
    assert member is not None
    told: dict[str, Any] = json.load(member)
    return told


def unpacked(data: bytes, tools: Tools, window: int = 27) -> bytes:
    argv = ["zstd", "--decompress", "--stdout", f"--long={window}"]
    return tools.run(argv, stdin=data).stdout


@covers(format="{name}", judge="tar, zstd and the JSON schema of COSI")
@pytest.mark.parametrize("name", ["cosi", "baremetal-image"])
def test_another_reader_finds_the_disk_and_what_is_told_of_it(
    tools: Tools, tmp_path: Path, name: str
) -> None:
    given = parts(tmp_path)
    image, disk = written(given, tmp_path, tools, name), raw(given, tmp_path)
    window = 27 if name == "cosi" else 31
    with tarfile.open(image, "r:") as file:
        names = file.getnames()
        assert names[:2] == ["cosi-marker", "metadata.json"]
        assert file.getmember("cosi-marker").size == 0
        told = metadata_in(file)
        jsonschema_rs.validator_for(SCHEMA).validate(told)
        assert told["compression"] == {"maxWindowLog": window}
        assert told["disk"]["size"] == len(disk)
        table, *regions = told["disk"]["gptRegions"]
        assert [each["number"] for each in regions] == [1, 2]
        assert [each["image"]["path"] for each in (table, *regions)] == names[2:]
        places = [0, *(entry.start for entry in given.layout.partitions)]  # type: ignore[union-attr]
        sizes = [34 * 512, 16 * MIB, 24 * MIB]
        for region, start, size in zip((table, *regions), places, sizes, strict=True):
            part = region["image"]
            member = file.extractfile(part["path"])
            assert member is not None
            data = member.read()
            assert len(data) == part["compressedSize"]
            assert hashlib.sha384(data).hexdigest() == part["sha384"]
            # A frame that readers skip names the image.
            assert data[:8].hex() == "502a4d1810000000"
            assert data[8:24].hex() == told["id"].replace("-", "")
            found = unpacked(data, tools, window)
            assert len(found) == part["uncompressedSize"] == size
            assert found == disk[start : start + size]
    # The architecture is the image's, whatever builds it; the text is the system's own.
    assert (told["osArch"], told["osRelease"]) == ("arm64", SYSTEM.release)
    assert [each["mountPoint"] for each in told["images"]] == ["/boot/efi", "/"]
    assert told["images"][0]["image"] == regions[0]["image"]
    assert told["bootloader"]["systemdBoot"]["entries"][1]["type"] == "config"
    assert told["osPackages"] == [
        {"name": "bash", "version": "5.2", "release": "1", "arch": "aarch64"}
    ]


@covers(format="cosi", proofs=[Proof.SAME_DISK, Proof.READ_BACK])
@covers(format="baremetal-image", proofs=[Proof.SAME_DISK, Proof.READ_BACK], judge="qemu-img")
def test_our_reader_gives_the_same_disk_and_qemu_img_the_same_file(
    tools: Tools, tmp_path: Path
) -> None:
    given = parts(tmp_path)
    disk = raw(given, tmp_path)
    for name in (Container.COSI, Container.BAREMETAL_IMAGE):
        image = written(given, tmp_path, tools, name)
        assert container_of(image) is name
        scratch = tmp_path / f"of-{name}"
        scratch.mkdir()
        found = raw_disk(image, scratch, tools)
        assert found.size == len(disk)
        assert found.path.read_bytes() == disk
        assert found.path.stat().st_blocks * 512 < 20 * MIB
    argv = ["qemu-img", "info", "-f", "vpc", "--output=json", str(image)]
    told = json.loads(tools.run(argv, read=[image]).text)
    assert told["virtual-size"] == image.stat().st_size - 512
    assert told["virtual-size"] % MIB == 0


def test_the_order_is_that_of_the_disk_not_of_the_numbers(tools: Tools, tmp_path: Path) -> None:
    given = parts(tmp_path)
    assert given.layout is not None
    first, second = given.layout.partitions
    swapped = replace(
        given.layout, partitions=(replace(first, number=2), replace(second, number=1))
    )
    image = written(replace(given, layout=swapped), tmp_path, tools)
    with tarfile.open(image, "r:") as file:
        told = metadata_in(file)
        assert [each.get("number") for each in told["disk"]["gptRegions"]] == [None, 2, 1]
        assert [name.rpartition("_")[2] for name in file.getnames()[2:]] == [
            "gpt.raw.zst", "2.raw.zst", "1.raw.zst"
        ]  # fmt: skip


def told(system: System, disk: Path, size: int) -> System:
    return system


def test_verity_is_told_with_the_partition_of_the_hashes(tools: Tools, tmp_path: Path) -> None:
    given = parts(tmp_path)
    esp, root = SYSTEM.mounted
    for hashes, offset in ((1, None), (2, 4096)):
        verity = VerityOf("ab" * 32, hashes, offset)
        system = replace(SYSTEM, mounted=(esp, replace(root, verity=verity)), loader="grub")
        chosen = replace(given, describe=partial(told, system))
        with tarfile.open(written(chosen, tmp_path, tools), "r:") as file:
            metadata = metadata_in(file)
        jsonschema_rs.validator_for(SCHEMA).validate(metadata)
        found = metadata["images"][1]["verity"]
        assert found["image"] == metadata["disk"]["gptRegions"][hashes]["image"]
        assert found["roothash"] == "ab" * 32
        assert found.get("hashOffset") == offset
        assert metadata["bootloader"] == {"type": "grub"}


def test_the_uuid_is_what_the_image_says_else_made_of_its_content(
    tools: Tools, tmp_path: Path
) -> None:
    def uuid(given: Parts) -> str:
        with tarfile.open(written(given, tmp_path, tools), "r:") as file:
            return str(metadata_in(file)["id"])

    given = parts(tmp_path)
    own = "88d2fa9b-7a32-450a-a9f8-aa9c3de79298"
    assert uuid(replace(given, describe=lambda *_: replace(SYSTEM, id=own))) == own
    before = uuid(given)
    assert uuid(replace(given, name="other", seed=b"other")) == before
    with given.partitions["root"].open("r+b") as file:
        file.write(b"x")
    assert uuid(given) != before


def test_the_level_changes_the_size_and_not_the_disk(tools: Tools, tmp_path: Path) -> None:
    given = parts(tmp_path)
    with given.partitions["root"].open("r+b") as file:
        for source in sorted(Path(dockyard.__file__).parent.glob("*/*.py")):
            file.write(source.read_bytes())
    sizes = []
    for level in (1, 19):
        image = written(replace(given, level=level), tmp_path, tools)
        sizes.append(image.stat().st_size)
        raw_disk(image, tmp_path, tools)
        assert (tmp_path / "disk").read_bytes() == raw(given, tmp_path)
        (tmp_path / "disk").unlink()
    assert sizes[0] > sizes[1]


def test_what_the_system_does_not_tell_is_named_at_once(tools: Tools, tmp_path: Path) -> None:
    silent = replace(SYSTEM, architecture=None, release="", loader="")
    given = replace(parts(tmp_path), describe=lambda *_: silent)
    with pytest.raises(DockyardError) as caught:
        written(given, tmp_path, tools)
    assert {each.code for each in caught.value.problems} == {"formats.cosi-untold"}
    assert len(caught.value.problems) == 3
    assert not list(tmp_path.glob("*.cosi")) and not list(tmp_path.glob(".*"))


def test_data_outside_of_partitions_are_counted(tmp_path: Path) -> None:
    given = parts(tmp_path)
    disk = tmp_path / "disk.raw"
    size = len(raw(given, tmp_path))
    assert data_outside(disk, size) == 0
    with disk.open("r+b") as file:
        file.seek(40 * 512)
        file.write(b"grub core")
    assert data_outside(disk, size) == 9


@covers(format="cosi", judge="GNU tar")
def test_gnu_tar_lists_it_as_ustar(tools: Tools, tmp_path: Path) -> None:
    image = written(parts(tmp_path), tmp_path, tools)
    listed = subprocess.run(
        ["tar", "--list", "--verbose", "--file", str(image)], capture_output=True, text=True
    )
    assert not listed.stderr and listed.returncode == 0
    assert len(listed.stdout.splitlines()) == 5
    assert all(line.startswith("-rw-r--r-- root/root") for line in listed.stdout.splitlines())
