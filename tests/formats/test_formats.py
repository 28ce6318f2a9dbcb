"""Every format gives equal bytes for equal parts and appears whole; unknown names are refused."""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import json
from pathlib import Path

import pytest
from image_parts import MIB, base, content, parts, tree

from dockyard.archive import Archive, joined
from dockyard.disk.assemble import assemble
from dockyard.disk.output import whole
from dockyard.errors import DockyardError, Position
from dockyard.formats import Holds, Part, by_name, holding, supported
from dockyard.host.sandbox import Tools
from dockyard.model.output import ImageFormat
from features import Proof, covers
from nasty_archive import nasty, plain


def root_of(name: str) -> Archive:
    """A root with all that a format holds; what it does not is refused."""
    if name in holding(Holds.EXTENSION):
        place = {"sysext": b"usr/bin/new", "confext": b"etc/new"}[name]
        return joined(base(), place, tree({b"a": b"new" * 5000}))
    return plain() if name == "squashfs" else nasty()


@covers(format="{name}", proofs=[Proof.EQUAL])
@pytest.mark.build
@pytest.mark.parametrize("name", supported())
def test_equal_parts_give_equal_files(tools: Tools, tmp_path: Path, name: str) -> None:
    digests = set()
    chosen = by_name(name)
    for copy in ("a", "b"):
        folder = tmp_path / copy
        out = folder / "out"
        out.mkdir(parents=True)
        given = parts(folder, root_of(name), backwards=copy == "b")
        files = chosen.write(given, out, tools)
        assert files[0] == out / f"web{chosen.extension}"
        assert sorted(out.iterdir()) == sorted(files)
        digests.add(hashlib.sha256(content(files[0])).hexdigest())
        assert files[0].stat().st_blocks * 512 < 20 * MIB
    assert len(digests) == 1


@pytest.mark.build
@pytest.mark.parametrize("name", supported())
def test_a_format_is_made_of_the_parts_that_it_needs_alone(
    tools: Tools, tmp_path: Path, name: str
) -> None:
    chosen = by_name(name)
    every = parts(tmp_path, root_of(name))
    assert chosen.needs <= every.present
    bare = dataclasses.replace(
        every,
        root=every.root if Part.ROOT in chosen.needs else None,
        layout=every.layout if Part.DISK in chosen.needs else None,
        partitions=every.partitions if Part.DISK in chosen.needs else {},
        describe=every.describe if Part.SYSTEM in chosen.needs else None,
        kernel=every.kernel if Part.KERNEL in chosen.needs else None,
        initrd=every.initrd if Part.INITRD in chosen.needs else None,
        live=every.live if Part.LIVE in chosen.needs else None,
        base=every.base if Part.BASE in chosen.needs else None,
    )
    assert bare.present == chosen.needs
    found = []
    for given, folder in ((every, tmp_path / "every"), (bare, tmp_path / "bare")):
        folder.mkdir()
        found.append([content(file) for file in chosen.write(given, folder, tools)])
    assert found[0] == found[1]


@covers(format="{name}", judge="qemu-img", proofs=[Proof.SAME_DISK])
@pytest.mark.build
@pytest.mark.parametrize(
    ("name", "driver"),
    [
        ("qcow2", "qcow2"),
        ("vhd", "vpc"),
        ("vhd-fixed", "vpc"),
        ("vhdx", "vhdx"),
        ("vmdk", "vmdk"),
    ],
)
def test_qemu_reads_the_same_disk(tools: Tools, tmp_path: Path, name: str, driver: str) -> None:
    given = parts(tmp_path)
    assert given.layout is not None
    disk = tmp_path / "disk.raw"
    assemble(given.layout, given.partitions, disk)
    (out,) = by_name(name).write(given, tmp_path, tools)
    argv = ["qemu-img", "compare", "-f", "raw", "-F", driver, str(disk), str(out)]
    compared = tools.run(argv, read=[disk, out])
    assert "identical" in compared.text
    told = tools.run(["qemu-img", "info", "-f", driver, "--output=json", str(out)], read=[out])
    size = 42 * MIB if name == "vhd-fixed" else given.layout.size
    assert json.loads(told.text)["virtual-size"] == size
    if driver != "vpc":  # qemu-img cannot check that
        checked = tools.run(["qemu-img", "check", "-f", driver, str(out)], read=[out])
        assert "No errors" in checked.text
    if name == "vhd-fixed":
        assert out.stat().st_size == 42 * MIB + 512


@covers(judge="sfdisk")
@pytest.mark.build
def test_sfdisk_finds_the_partitions_of_the_raw_disk(tools: Tools, tmp_path: Path) -> None:
    given = parts(tmp_path)
    assert given.layout is not None
    (out,) = by_name("raw").write(given, tmp_path, tools)
    verified = tools.run(["sfdisk", "--verify", str(out)], read=[out])
    assert "No errors detected" in verified.text
    told = json.loads(tools.run(["sfdisk", "--json", str(out)], read=[out]).text)["partitiontable"]
    assert told["label"] == "gpt"
    assert [(each["start"] * 512, each["size"] * 512) for each in told["partitions"]] == [
        (each.start, each.size) for each in given.layout.partitions
    ]


def test_the_raw_disk_is_what_its_parts_make(tmp_path: Path) -> None:
    given = parts(tmp_path)
    assert given.layout is not None
    (out,) = by_name("raw").write(given, tmp_path, Tools(tmp_path))
    disk = out.read_bytes()
    assert len(disk) == given.layout.size
    for key, image in given.partitions.items():
        partition = given.layout.partition(key)
        content = image.read_bytes()
        assert disk[partition.start : partition.start + len(content)] == content


def test_an_unknown_format_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(DockyardError) as error:
        by_name("wim", Position("image.yaml", 3, 11))
    (problem,) = error.value.problems
    assert problem.where == Position("image.yaml", 3, 11)
    assert problem.fix == f"use one of: {', '.join(sorted(ImageFormat))}"


def test_a_failed_write_leaves_nothing_and_names_a_full_disk(tmp_path: Path) -> None:
    with pytest.raises(DockyardError) as error, whole(tmp_path / "out") as part:
        part.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")
    assert error.value.problems[0].code == "host.no-space"
    assert list(tmp_path.iterdir()) == []


def test_an_old_output_stays_until_the_new_one_is_whole(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.write_bytes(b"old")
    with pytest.raises(KeyError), whole(out) as part:
        part.write_bytes(b"half")
        raise KeyError("interrupted")
    assert out.read_bytes() == b"old"
    with whole(out) as part:
        part.write_bytes(b"new")
    assert out.read_bytes() == b"new"


def test_the_formats_that_an_image_file_may_ask_for_are_those_that_are_written() -> None:
    assert tuple(ImageFormat) == holding(*Holds)
    for name in supported():
        needs = by_name(name).needs
        assert (name in holding(Holds.DISK)) is (Part.DISK in needs)
        assert (name in holding(Holds.LIVE)) is (Part.LIVE in needs)
        assert (name in holding(Holds.ROOT, Holds.GUEST)) is (needs == {Part.ROOT})
        assert (name in holding(Holds.EXTENSION)) is (Part.BASE in needs)
