"""XFS images that others made: every form on disk, both versions, logs that were not replayed."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from foreign import ask, formatted, needs_kernel, survives

from dockyard.archive import Archive, Entry, Kind
from dockyard.errors import DockyardError
from dockyard.filesystems import xfs
from dockyard.filesystems.crc32c import crc32c
from dockyard.filesystems.staging import staged
from dockyard.filesystems.xfs.log import Log
from dockyard.filesystems.xfs.volume import Volume
from dockyard.host.sandbox import Tools
from nasty_archive import SECOND, file, same

SIZE = 400  # MiB
build = pytest.mark.build
long = pytest.mark.long


def log_of(image: Path) -> range:
    """Where the log lies."""
    volume = Volume(image)
    at, made = volume.place(volume.superblock.log_start), volume.superblock
    return range(at, at + made.log_blocks * made.block_size)


def why(image: Path) -> str:
    with pytest.raises(DockyardError) as caught:
        xfs.read(image)
    problem = caught.value.problems[0]
    assert problem.code == "filesystems.unreadable-image"
    return problem.why


@build
@needs_kernel
@pytest.mark.parametrize(
    "options",
    [
        "-m bigtime=1,reflink=1,inobtcount=1 -i nrext64=1,sparse=1",
        pytest.param("-m bigtime=0,reflink=0,inobtcount=0 -i nrext64=0", marks=long),
        "-b size=1024 -n size=8192 -i exchange=1 -n parent=1",
        pytest.param("-b size=65536 -n size=65536 -i size=2048", marks=long),
        pytest.param("-m metadir=1,rmapbt=1 -i size=1024", marks=long),
    ],
)
def test_every_form_is_read(testing_tools: Tools, tmp_path: Path, options: str) -> None:
    image = formatted(testing_tools, tmp_path / "image", SIZE, "mkfs.xfs", "-q", *options.split())
    expected = ask("xfs", image, "forms", seed=1)
    assert len(expected) > 8000
    same(xfs.read(image), expected)


def _version_4(tools: Tools, image: Path, *options: str) -> Archive:
    """An image of version 4 with what mkfs.xfs can write itself, as no kernel of today may."""
    data = {b"holes": b"".join(b"x" * 4096 + bytes(4096) for _ in range(300))}
    for count in (3, 40, 1500):
        for index in range(count):
            data[b"d%d/%060d" % (count, index)] = b"%d" % index * (index % 300)
    archive = Archive.from_entries(
        [
            *(file(path) for path in data),
            *(file(b"values-%d" % count, xattrs=_values(count)) for count in (1, 60, 900)),
            file(b"value", xattrs=((b"user.large", bytes(range(250)) * 200),)),
            Entry(b"link", Kind.SYMLINK, 0o777, target=b"t" * 700),
            Entry(b"short", Kind.SYMLINK, 0o777, target=b"d3"),
            Entry(b"fifo", Kind.FIFO, 0o600, mtime_ns=-5 * SECOND),
        ],
        data,
    )
    with open(image, "wb") as opened:
        opened.truncate(SIZE << 20)
    with staged(archive, image) as tree:
        argv = ["mkfs.xfs", "-q", "-m", "crc=0,finobt=0", *options, "-p", str(tree), str(image)]
        tools.run(argv, read=[tree], write=[image])
    return archive


def _values(count: int) -> tuple[tuple[bytes, bytes], ...]:
    return tuple((b"user.%04d" % index, b"v" * 90) for index in range(count))


@build
@pytest.mark.parametrize("options", ["-n ftype=0", "-n ftype=1 -b size=1024 -i size=256"])
def test_version_4_is_read(testing_tools: Tools, tmp_path: Path, options: str) -> None:
    archive = _version_4(testing_tools, tmp_path / "image", *options.split())
    found = xfs.read(tmp_path / "image")
    assert found.entries[1:] == archive.entries[1:]  # the root has the time of the making


@build
@needs_kernel
@pytest.mark.parametrize(
    ("seed", "options"),
    [
        (1, ""),
        pytest.param(2, "-b size=1024 -n size=8192", marks=long),
        pytest.param(3, "-m bigtime=0 -l size=64m", marks=long),
        pytest.param(4, "-b size=16384 -n parent=1", marks=long),
        pytest.param(5, "-l su=256k", marks=long),
    ],
)
def test_a_log_is_replayed_as_the_kernel_does(
    testing_tools: Tools, tmp_path: Path, seed: int, options: str
) -> None:
    image = formatted(testing_tools, tmp_path / "image", SIZE, "mkfs.xfs", "-q", *options.split())
    expected = ask("xfs", image, "churn", seed=seed, crash=True)
    crashed = tmp_path / "image.crashed"
    before = crashed.stat().st_mtime_ns
    same(xfs.read(crashed), expected)
    assert crashed.stat().st_mtime_ns == before
    assert Log(Volume(crashed)).is_dirty
    assert not Log(Volume(tmp_path / "image.recovered")).is_dirty
    assert sum(survives(xfs.read, crashed, 12).values()) == 12


@build
@needs_kernel
@pytest.mark.parametrize("rounds", [40, pytest.param(200, marks=long)])
def test_random_damage(testing_tools: Tools, tmp_path: Path, rounds: int) -> None:
    image = formatted(testing_tools, tmp_path / "image", SIZE, "mkfs.xfs", "-q", "-l", "size=64m")
    ask("xfs", image, "churn", seed=rounds)
    outcomes = survives(xfs.read, image, rounds, but=log_of(image))
    assert outcomes["refused"] > rounds // 4


@build
@needs_kernel
@pytest.mark.parametrize("rounds", [40, pytest.param(300, marks=long)])
def test_random_damage_with_right_checksums(
    testing_tools: Tools, tmp_path: Path, rounds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As an attacker would write them, in the log too."""
    monkeypatch.setattr(Volume, "check", lambda *_: None)
    monkeypatch.setattr(Log, "_is_sound", lambda *_: True)
    options = ["-l", "size=64m", "-b", "size=1024"]
    image = formatted(testing_tools, tmp_path / "image", SIZE, "mkfs.xfs", "-q", *options)
    ask("xfs", image, "churn", seed=rounds, crash=True)
    outcomes = survives(xfs.read, tmp_path / "image.crashed", rounds)
    assert outcomes["read"] and outcomes["refused"]


@build
def test_random_damage_of_version_4(testing_tools: Tools, tmp_path: Path) -> None:
    """It has no checksums that would tell."""
    image = tmp_path / "image"
    _version_4(testing_tools, image)
    outcomes = survives(xfs.read, image, 40, but=log_of(image))
    assert outcomes["read"] and outcomes["refused"]


@build
def test_what_is_not_read_is_named(testing_tools: Tools, tmp_path: Path) -> None:
    image = formatted(testing_tools, tmp_path / "image", SIZE, "mkfs.xfs", "-q")
    sound = image.read_bytes()[:512]
    for at, value, named in (
        (100, b"\x00\x03", "it is of XFS version 3; 4 and 5 are read"),
        (216, struct.pack(">I", 0x10B), "features not understood: incompat 0x80000000"),
        (216, struct.pack(">I", 0x1B), "in need of repair"),
        (216, struct.pack(">I", 0x20B), "real-time device"),
        (48, bytes(8), "its log is on another device"),
        (4, struct.pack(">I", 3), "its superblock is damaged"),
    ):
        changed = bytearray(sound)
        changed[at : at + len(value)] = value
        if "0x80000000" in named:
            changed[216] |= 0x80
        changed[224:228] = bytes(4)
        struct.pack_into("<I", changed, 224, crc32c(changed))
        with open(image, "rb+") as opened:
            opened.write(changed)
        assert named in why(image)
    with open(image, "rb+") as opened:
        opened.write(sound[:130] + b"?" + sound[131:])
    assert "checksum" in why(image)
