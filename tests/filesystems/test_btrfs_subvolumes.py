"""Subvolumes that are written: the reader, btrfs check and the kernel find them, with their ids and
limits.
"""

from __future__ import annotations

import errno
import os
import random
import time
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest
from foreign import ask, needs_kernel
from written_image import SPEC, digest

from dockyard.archive import Archive, Entry, Kind
from dockyard.filesystems import FilesystemSpec, btrfs
from dockyard.filesystems.spec import SubvolumeSpec
from dockyard.host.sandbox import Tools
from nasty_archive import file, same, same_data

SIZE = 200 << 20
MIB = 1 << 20
build = pytest.mark.build
# Of another subvolume, and of what was received, with transactions and times.
HISTORY = bytes(range(1, 33)) + bytes(16) + bytes(range(16)) + bytes(range(48))


def laid_out() -> tuple[Archive, tuple[SubvolumeSpec, ...]]:
    """A root with its own /var in it, a home with limits, one that only is read, and a directory
    between them.
    """
    data = {
        b"root/etc/file": b"x" * 100_000,
        b"root/var/log": b"log" * 20_000,
        b"home/user/noise": random.Random(1).randbytes(3_000_000),
        b"deep/er/one/k": b"k",
        b"plain": b"in the outermost",
    }
    far = Entry(b"home/far", Kind.FILE, 0o640, 70_000, 4_294_967_294, 10**18 + 1)
    archive = Archive.from_entries([*(file(path) for path in data), far], data)
    return archive, (
        SubvolumeSpec(5, "", UUID(int=5), most=1 << 40),
        SubvolumeSpec(300, "root", UUID(int=9), False, True, 1 << 30, 512 * MIB),
        SubvolumeSpec(256, "root/var", UUID(int=1 << 100)),
        SubvolumeSpec(299, "deep/er/one", UUID(int=3), read_only=True, history=HISTORY),
        SubvolumeSpec(260, "home", UUID(int=4), most_own=6 * MIB),
    )


def found_in(image: Path) -> list[SubvolumeSpec]:
    return [
        SubvolumeSpec(
            one.number, os.fsdecode(one.path), one.uuid or UUID(int=0), one.read_only,
            one.is_default, one.most, one.most_own,
        )
        for one in btrfs.subvolumes(image)
    ]  # fmt: skip


def check(tools: Tools, image: Path) -> None:
    """btrfs check fails for anything that is wrong, also for what subvolumes are said to use."""
    tools.run(["btrfs", "check", "--check-data-csum", str(image)], read=[image])


@build
def test_they_come_back_with_their_numbers_ids_and_limits(
    testing_tools: Tools, tmp_path: Path
) -> None:
    (archive, chosen), image = laid_out(), tmp_path / "image"
    btrfs.write(archive, image, SIZE, replace(SPEC, subvolumes=chosen), testing_tools)
    expected = sorted((replace(one, history=b"") for one in chosen), key=lambda one: one.number)
    assert found_in(image) == expected
    received = next(one for one in btrfs.subvolumes(image) if one.number == 299)
    assert received.history[:32] + received.history[48:] == HISTORY[:32] + HISTORY[48:]
    found = btrfs.read(image, subvolume=5)
    same(found, archive)
    same_data(found, archive)
    assert btrfs.read(image, subvolume="home").find(b"far") is not None
    check(testing_tools, image)


@build
@needs_kernel
def test_the_kernel_holds_a_subvolume_to_its_limit(testing_tools: Tools, tmp_path: Path) -> None:
    (archive, chosen), image = laid_out(), tmp_path / "image"
    btrfs.write(archive, image, SIZE, replace(SPEC, subvolumes=chosen), testing_tools)
    shown = ask("btrfs", image, "nothing", options="loop,ro")
    same(shown, btrfs.read(image, subvolume="root"))
    ask("btrfs", image, "grow", options="loop,subvol=/")
    grown = btrfs.read(image, subvolume=5)
    number, written = map(int, grown.read(b"home.full").split(b" at "))
    assert number == errno.EDQUOT
    assert 2 * MIB < written < 4 * MIB
    assert grown.read(b"root.full") == b"0 at %d" % (16 * MIB)
    # What the kernel wrote afterwards it counted as btrfs check does.
    check(testing_tools, image)


@build
def test_the_same_bytes_twice(testing_tools: Tools, tmp_path: Path) -> None:
    archive, chosen = laid_out()
    spec = replace(SPEC, subvolumes=chosen)
    btrfs.write(archive, tmp_path / "one", SIZE, spec, testing_tools)
    time.sleep(1.1)  # the clock of mkfs.btrfs counts seconds
    btrfs.write(archive, tmp_path / "two", SIZE, spec, testing_tools)
    assert digest(tmp_path / "one") == digest(tmp_path / "two")


@build
@pytest.mark.parametrize("seed", range(4))
def test_any_number_of_them_in_any_order(testing_tools: Tools, tmp_path: Path, seed: int) -> None:
    """Some 5 to 110, so that the tree of roots has one block or several; numbers are drawn."""
    chance = random.Random(seed)
    count, image = (5, 30, 60, 110)[seed], tmp_path / "image"
    paths: list[str] = []
    for index in range(count):
        above = chance.choice(["", "", "dir", *paths[-3:]])
        paths.append(f"{above}/s{index}".lstrip("/"))
    numbers = chance.sample(range(256, 5000), count)
    chosen = tuple(
        SubvolumeSpec(
            number, path, UUID(int=chance.getrandbits(128)), chance.random() < 0.2, False,
            chance.choice([None, chance.randrange(1, 1 << 40)]), None,
        )
        for number, path in zip(numbers, paths, strict=True)
    )  # fmt: skip
    data = {
        f"{path}/f{index}".encode(): chance.randbytes(chance.choice((0, 500, 9000, 200_000)))
        for path in paths
        for index in range(chance.randrange(4))
    }
    empty = [Entry(path.encode(), Kind.DIRECTORY, 0o711, mtime_ns=10**18) for path in paths]
    archive = Archive.from_entries([*(file(path) for path in data), *empty], data)
    spec = FilesystemSpec(SPEC.uuid, epoch=SPEC.epoch, subvolumes=chosen)
    btrfs.write(archive, image, SIZE, spec, testing_tools)
    whole = SubvolumeSpec(5, "", spec.derived("subvolume"), is_default=True)
    assert found_in(image) == sorted([whole, *chosen], key=lambda one: one.number)
    same(btrfs.read(image, subvolume=5), archive)
    check(testing_tools, image)
