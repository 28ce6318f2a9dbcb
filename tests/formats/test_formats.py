"""Every format gives equal bytes for an equal disk and appears whole; unknown names are refused."""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path

import pytest

from dockyard.disk.output import whole
from dockyard.errors import DockyardError, Position
from dockyard.formats import by_name, supported
from dockyard.host.sandbox import Tools
from dockyard.model.output import WRITTEN_FORMATS

MIB = 1 << 20


@pytest.mark.build
@pytest.mark.parametrize("name", supported())
def test_equal_disks_give_equal_files(tools: Tools, tmp_path: Path, name: str) -> None:
    digests = set()
    for copy in ("a", "b"):
        folder = tmp_path / copy
        folder.mkdir()
        disk = folder / "disk.raw"
        with disk.open("wb") as file:
            # The same content from other writes: holes need not lie alike.
            file.truncate(40 * MIB)
            for at in (3 * MIB, 20 * MIB) if copy == "a" else (20 * MIB, 3 * MIB):
                file.seek(at)
                file.write(os.fsencode(name) * 100_000)
        out = folder / "out"
        by_name(name).write(disk, out, tools, seed=b"seed", epoch=1_767_225_600)
        digests.add(hashlib.sha256(out.read_bytes()).hexdigest())
        assert sorted(path.name for path in folder.iterdir()) == ["disk.raw", "out"]
        assert out.stat().st_blocks * 512 < 10 * MIB
    assert len(digests) == 1


@pytest.mark.build
def test_qemu_reads_the_same_disk_from_qcow2(tools: Tools, tmp_path: Path) -> None:
    disk = tmp_path / "disk.raw"
    disk.write_bytes(bytes(MIB) + b"content" * 100_000)
    os.truncate(disk, 8 * MIB)
    by_name("qcow2").write(disk, tmp_path / "out", tools, seed=b"", epoch=0)
    compared = tools.run(
        ["qemu-img", "compare", "-f", "raw", "-F", "qcow2", str(disk), str(tmp_path / "out")],
        read=[disk, tmp_path / "out"],
    )
    assert "identical" in compared.text
    checked = tools.run(["qemu-img", "check", str(tmp_path / "out")], read=[tmp_path / "out"])
    assert "No errors" in checked.text


def test_an_unknown_format_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(DockyardError) as error:
        by_name("vmdk", Position("image.yaml", 3, 11))
    (problem,) = error.value.problems
    assert problem.where == Position("image.yaml", 3, 11)
    assert problem.fix == "use one of: qcow2, raw, vhd-fixed"


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
    assert sorted(WRITTEN_FORMATS) == list(supported())
    with pytest.raises(DockyardError) as caught:
        by_name("cosi")
    assert caught.value.problems[0].why == "it is valid, but building does not write it yet"
