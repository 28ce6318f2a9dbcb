"""A VMDK is a stream that can be read from its begin to its end; what is damaged is refused."""

from __future__ import annotations

import re
import struct
import zlib
from pathlib import Path

import pytest
from image_parts import MIB

from dockyard.errors import DockyardError
from dockyard.formats import by_name
from dockyard.formats.containers import Container, container_of, raw_disk
from dockyard.formats.disk_format import DiskFormat, Wrapping
from dockyard.host.sandbox import Tools
from features import Proof, covers

SECTOR, GRAIN = 512, 64 << 10
SIZE = 97 * MIB + 3 * SECTOR  # the last grain is no whole one; four tables, one of them empty
PLACES = (0, 5 * MIB - 3, 31 * MIB, 70 * MIB + GRAIN, SIZE - 4)


def disk(folder: Path, text: bytes = b"data") -> Path:
    path = folder / "disk,raw"
    with path.open("wb") as file:
        for at in PLACES:
            file.seek(at)
            file.write(text)
    return path


def written(folder: Path, tools: Tools, text: bytes = b"data", name: str = "web") -> Path:
    chosen, out = by_name("vmdk"), folder / "out.vmdk"
    assert isinstance(chosen, DiskFormat)
    given = Wrapping(name=name, seed=b"seed", epoch=0)
    chosen.wrap(disk(folder, text), SIZE, out, given, tools)
    assert sorted(path.name for path in folder.iterdir() if path.is_file()) == [
        "disk,raw",
        "out.vmdk",
    ]
    return out


def streamed(image: bytes) -> tuple[dict[int, bytes], list[int]]:
    """The grains by their sector, and the marks, as one finds them who reads from the begin."""
    grains, marks = {}, []
    (at,) = struct.unpack_from("<Q", image, 64)  # sectors before the first grain
    while True:
        value, size, mark = struct.unpack_from("<QII", image, at * SECTOR)
        begin = at * SECTOR
        if size:
            grains[value] = zlib.decompress(image[begin + 12 : begin + 12 + size])
            at += -(-(12 + size) // SECTOR)
            continue
        marks.append(mark)
        at += 1 + value
        if mark == 0:
            assert at * SECTOR == len(image), "something follows the end of the stream"
            return grains, marks


@pytest.mark.build
def test_the_disk_is_read_as_a_stream(tools: Tools, tmp_path: Path) -> None:
    image = written(tmp_path, tools).read_bytes()
    grains, marks = streamed(image)
    assert marks == [1, 1, 1, 2, 3, 0]  # tables, their directory, the footer, the end
    assert list(grains) == sorted(grains)
    raw = bytearray(SIZE)
    for sector, data in grains.items():
        raw[sector * SECTOR : sector * SECTOR + len(data)] = data
    assert raw[:SIZE] == disk(tmp_path).read_bytes()
    assert image[56:64] == b"\xff" * 8, "the directory is at the end"
    assert len(image) < MIB
    assert raw_disk(tmp_path / "out.vmdk", tmp_path, tools).size == SIZE


@pytest.mark.build
def test_its_ids_are_made_of_the_content_alone(tools: Tools, tmp_path: Path) -> None:
    ids = []
    for name, text in (("a", b"data"), ("b", b"data"), ("c", b"else")):
        (tmp_path / name).mkdir()
        told = written(tmp_path / name, tools, text, f'{name} "ö"').read_bytes()[
            SECTOR : 21 * SECTOR
        ]
        lines = told.partition(b"\0")[0].decode()
        assert f'RW {SIZE // SECTOR} SPARSE "{name}____.vmdk"' in lines
        ids.append(re.findall(r"(?:^CID=|longContentID = )(\S+)", lines, re.MULTILINE))
        assert len(ids[-1][1].strip('"')) == 32
    assert ids[0] == ids[1] and not set(ids[0]) & set(ids[2])


@covers(format="vmdk", proofs=[Proof.DAMAGED, Proof.TRUNCATED])
@pytest.mark.build
def test_a_damaged_one_is_refused(tools: Tools, tmp_path: Path) -> None:
    image = written(tmp_path, tools)
    whole = image.read_bytes()
    first = 128 * SECTOR + 12
    damaged = whole[:first] + bytes([whole[first] ^ 0xFF]) + whole[first + 1 :]
    for content in (damaged, whole[: len(whole) // 2], whole[:-SECTOR], whole[:600]):
        image.write_bytes(content)
        with pytest.raises(DockyardError) as caught:
            raw_disk(image, tmp_path, tools)
        (problem,) = caught.value.problems
        assert problem.code == "image.not-a-disk" and "cannot read this vmdk" in problem.why


def test_one_that_needs_other_files_is_refused(tmp_path: Path) -> None:
    image = tmp_path / "image"
    head = struct.pack("<4sIIQ", b"KDMV", 3, 0x30001, 2048).ljust(SECTOR, b"\0")
    plain = head + b"# Disk DescriptorFile\nparentCID=ffffffff\n".ljust(20 * SECTOR, b"\0")
    image.write_bytes(plain)
    assert container_of(image) is Container.VMDK
    parent = plain.replace(b"ffffffff\n", b'12345678\nparentFileNameHint="/etc/shadow"\n')
    for content, why in (
        (plain[:12] + bytes(8) + plain[20:], "whose data are in other files"),
        (parent, "only has what differs"),
        (plain[:70], "ends within its header"),
    ):
        image.write_bytes(content)
        with pytest.raises(DockyardError) as caught:
            container_of(image)
        assert why in caught.value.problems[0].why
