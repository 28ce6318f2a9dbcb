"""What is written to a device is what the image has, and what cannot be meant is refused."""

from __future__ import annotations

import fcntl
import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from conftest import user_inside
from dockyard.disk import gpt
from dockyard.engine.store import default_root
from dockyard.errors import DockyardError
from dockyard.host import block_device, device_copy
from dockyard.host.block_device import BlockDevice, Devices
from dockyard.host.sandbox import Tools
from dockyard.pipeline.burn import judged_target

CODE = "from dockyard.cli.main import main; main()"
MIB = 1 << 20
KIND = UUID("0fc63daf-8483-4772-8e79-3d69d8477de4")
_CTL_GET_FREE, _SET_FD, _CLEAR_FD = 0x4C82, 0x4C00, 0x4C01


def make_disk(path: Path, size: int = 24 * MIB) -> gpt.Table:
    """A disk with data here and there, holes, and zeros that are written out."""
    entries = (gpt.TableEntry(1, KIND, UUID(int=2), 2 * MIB, 20 * MIB, "data"),)
    table = gpt.Table(UUID(int=1), size, entries)
    with path.open("wb") as out:
        out.truncate(size)
        for at, data in ((2 * MIB + 77, b"one" * 9999), (9 * MIB, bytes(2 * MIB)),
                         (size - 3 * MIB, b"last")):  # fmt: skip
            out.seek(at)
            out.write(data)
        gpt.write(table, out)
    return table


@pytest.fixture
def image(tmp_path: Path) -> Path:
    make_disk(tmp_path / "image.raw")
    return tmp_path / "image.raw"


def used_device(path: Path, size: int) -> Path:
    """A file that held something else: nothing of it is zero, and a partition table is at its
    end.
    """
    path.write_bytes(b"\xaa" * size)
    with path.open("r+b") as out:
        gpt.write(gpt.Table(UUID(int=7), size, ()), out)
    return path


def burn(*words: str | Path, answer: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-c", CODE, "burn", *map(str, words)]
    store = words[0].parent / "store" if isinstance(words[0], Path) else "store"
    return subprocess.run([*command, "--store", str(store)], input=answer, capture_output=True)


def burnt(*words: str | Path) -> Any:
    done = burn(*words, "--yes", "--json")
    assert done.returncode == 0, done.stdout
    return json.loads(done.stdout)


def codes(*words: str | Path) -> list[str]:
    done = burn(*words, "--yes", "--json")
    assert done.returncode == 1
    return [each["code"] for each in json.loads(done.stdout)["problems"]]


def test_the_device_begins_with_the_disk_and_keeps_its_size(image: Path, tmp_path: Path) -> None:
    device = used_device(tmp_path / "device", 40 * MIB)
    told = burnt(image, device)
    found = device.read_bytes()
    assert found[: 24 * MIB] == image.read_bytes() and len(found) == 40 * MIB
    # Beyond the disk nothing changed but what an earlier one had at the end.
    assert set(found[24 * MIB : 40 * MIB - 33 * 512]) == {0xAA}
    assert not any(found[-33 * 512 :])
    assert told["result"]["oldBackupCleared"] and told["result"]["data"] < 10 * MIB
    assert [each["code"] for each in told["remarks"]] == ["burn.table-not-at-end"]
    assert device.stat().st_blocks * 512 < 30 * MIB, "zeros of the disk are holes"


def test_the_second_table_goes_to_the_end_by_choice(image: Path, tmp_path: Path) -> None:
    device = used_device(tmp_path / "device", 40 * MIB)
    told = burnt(image, device, "--move-backup-gpt")
    assert told["result"]["backupMoved"] and not told["remarks"]
    found = device.read_bytes()
    with device.open("rb") as file:
        first, end = gpt.read_first(file, 40 * MIB)
    at, second = gpt.second_copy(found[:end], 40 * MIB)
    assert found[at:] == second
    assert first.entries == make_disk(tmp_path / "again").entries
    assert int.from_bytes(found[446 + 12 : 446 + 16], "little") == 40 * MIB // 512 - 1
    assert not any(found[24 * MIB - 33 * 512 : 24 * MIB]), "the old one is gone"
    # Either copy alone is enough.
    (tmp_path / "damaged").write_bytes(bytes(1024) + found[1024:])
    with (tmp_path / "damaged").open("rb") as file:
        assert gpt.read(file).entries == first.entries


def test_a_device_of_the_size_of_the_disk(image: Path, tmp_path: Path) -> None:
    device = used_device(tmp_path / "device", 24 * MIB)
    assert burnt(image, device, "--move-backup-gpt")["remarks"] == []
    assert device.read_bytes() == image.read_bytes()


def test_what_is_too_small_is_refused_and_not_changed(image: Path, tmp_path: Path) -> None:
    device = used_device(tmp_path / "device", 20 * MIB)
    before = device.read_bytes()
    assert codes(image, device) == ["burn.too-small"]
    assert device.read_bytes() == before


def test_what_is_no_disk_or_no_device_is_refused_together(image: Path, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no disk " * 500)
    (tmp_path / "packed.gz").write_bytes(b"\x1f\x8b" + bytes(5000))
    used_device(tmp_path / "device", 30 * MIB)
    assert codes(tmp_path / "packed.gz", tmp_path) == ["image.not-a-disk", "burn.no-device"]
    assert codes(tmp_path / "text", tmp_path / "device") == ["image.no-table"]
    assert codes(image, "/dev/null") == ["burn.no-device"]
    assert codes(image, tmp_path / "nothing") == ["burn.unusable"]
    assert not (tmp_path / "nothing").exists()
    assert codes(image, image) == ["burn.same-file"]


def test_without_a_person_it_must_be_confirmed(image: Path, tmp_path: Path) -> None:
    device = used_device(tmp_path / "device", 40 * MIB)
    done = burn(image, device, answer=b"y\n")
    assert done.returncode == 1 and b"--yes" in done.stderr
    assert set(device.read_bytes()[: 24 * MIB]) >= {0xAA}


@pytest.mark.parametrize("broken", [0, 5 * MIB + 9, 24 * MIB - 1])
def test_a_device_that_gives_back_something_else(broken: int, tmp_path: Path) -> None:
    make_disk(tmp_path / "image")
    device = used_device(tmp_path / "device", 24 * MIB)
    with (tmp_path / "image").open("rb") as one, device.open("r+b") as two:
        source, target = one.fileno(), two.fileno()
        device_copy.copy_disk(source, target, 24 * MIB, lambda _: None)
        assert device_copy.first_difference(source, target, 24 * MIB, lambda _: None) is None
        old = os.pread(target, 1, broken)
        os.pwrite(target, bytes([old[0] ^ 1]), broken)
        os.fsync(target)
        found = device_copy.first_difference(source, target, 24 * MIB, lambda _: None)
        assert found == broken // device_copy.PIECE * device_copy.PIECE


def test_a_device_that_was_written_in_part_starts_nothing(
    image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = used_device(tmp_path / "device", 40 * MIB)

    def fail(*_: object) -> None:
        raise OSError("pulled out")

    monkeypatch.setattr(device_copy, "_write", fail)
    with image.open("rb") as one, device.open("r+b") as two, pytest.raises(OSError):
        monkeypatch.setattr(device_copy, "_zeroed", lambda target, *at: os.pwrite(
            target, bytes(at[1]), at[0]))  # fmt: skip
        device_copy.copy_disk(one.fileno(), two.fileno(), 24 * MIB, lambda _: None)
    assert not any(device.read_bytes()[:MIB])


@pytest.mark.build
def test_a_qcow2_is_burnt(tools: Tools, image: Path, tmp_path: Path) -> None:
    words = ["qemu-img", "convert", "-O", "qcow2", str(image), str(tmp_path / "image.qcow2")]
    tmp_path.chmod(0o777)
    (tmp_path / "image.qcow2").touch()
    tools.run(words, read=[image], write=[tmp_path / "image.qcow2"])
    device = used_device(tmp_path / "device", 40 * MIB)
    words = [str(tmp_path / "image.qcow2"), str(device), "--yes"]
    command = [sys.executable, "-c", CODE, "burn", *words]
    done = subprocess.run(command, capture_output=True, text=True, user=user_inside())
    assert done.returncode == 0, done.stderr
    assert device.read_bytes()[: 24 * MIB] == image.read_bytes()
    assert not list((default_root() / "vm").glob(".burn.*"))


DISK = BlockDevice("sdz", 40 * MIB, 512, False, (), "", "")


@pytest.mark.parametrize(
    ("device", "uses", "expected"),
    [
        (DISK, [], []),
        (DISK, ["sdz1 is mounted at /mnt"], ["burn.in-use"]),
        (BlockDevice("sdz1", 1, 512, False, (), "sdz", ""), [], ["burn.partition"]),
        (BlockDevice("sdz", 1, 4096, True, (), "", ""), [], ["burn.read-only", "burn.sector-size"]),
    ],
)
def test_what_speaks_against_a_device(
    device: BlockDevice,
    uses: list[str],
    expected: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    node = tmp_path / device.name
    node.touch()
    monkeypatch.setattr(stat, "S_ISREG", lambda mode: False)
    monkeypatch.setattr(stat, "S_ISBLK", lambda mode: True)
    monkeypatch.setattr(Devices, "find", lambda self, number: device)
    monkeypatch.setattr(Devices, "uses", lambda self, device: iter(uses))
    found: list[str] = []
    try:
        judged_target(node)
    except DockyardError as error:
        found = [each.code for each in error.problems]
    assert found == expected
    if found == ["burn.partition"]:
        assert judged_target(node, partition=True).device == device


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[Path]:
    """A loop device of 40 MiB, where this machine gives one."""
    file = used_device(tmp_path / "backing", 40 * MIB)
    try:
        control = os.open("/dev/loop-control", os.O_RDWR)
        number = fcntl.ioctl(control, _CTL_GET_FREE)
        os.close(control)
        node = os.open(f"/dev/loop{number}", os.O_RDWR)
    except OSError as error:
        pytest.skip(f"no loop device: {error}")
    backing = os.open(file, os.O_RDWR)
    try:
        fcntl.ioctl(node, _SET_FD, backing)
    except OSError as error:
        os.close(node)
        pytest.skip(f"no loop device: {error}")
    finally:
        os.close(backing)
    try:
        yield Path(f"/dev/loop{number}")
    finally:
        fcntl.ioctl(node, _CLEAR_FD)
        os.close(node)


def test_a_loop_device_is_burnt_and_refused_while_it_is_in_use(
    loop: Path, image: Path, tmp_path: Path
) -> None:
    assert burnt(image, loop, "--move-backup-gpt")["result"]["deviceSize"] == 40 * MIB
    file = tmp_path / "backing"
    assert file.read_bytes()[2 * MIB : 23 * MIB] == image.read_bytes()[2 * MIB : 23 * MIB]
    assert codes(image, file) == ["burn.in-use"]
    holder = block_device.open_exclusively(loop)
    try:
        assert codes(image, loop) == ["burn.in-use"]
    finally:
        os.close(holder)
