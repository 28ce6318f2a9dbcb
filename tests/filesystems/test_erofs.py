"""EROFS: holds everything; what is written is read back, and twice the same bytes."""

from __future__ import annotations

import uuid
from dataclasses import replace
from pathlib import Path

import pytest

from dockyard.archive import Archive, Kind, scan, unpack
from dockyard.errors import DockyardError
from dockyard.filesystems import FilesystemSpec, erofs
from dockyard.filesystems.proof import prove
from dockyard.host import mounts
from dockyard.host.sandbox import Tools
from nasty_archive import DATA, SECOND, file, nasty, plain, same

UUID = uuid.UUID("0a0b0c0d-0000-4000-8000-000000000001")
EPOCH = 1_767_225_600
build = pytest.mark.build


def spec(**options: str) -> FilesystemSpec:
    return FilesystemSpec(UUID, label="usr", epoch=EPOCH, options=options)


@build
@pytest.mark.parametrize("compression", ["none", "lz4", "lz4hc,9", "zstd,level=3"])
def test_everything_comes_back(tools: Tools, tmp_path: Path, compression: str) -> None:
    archive, image, scratch = nasty(), tmp_path / "image", tmp_path / "scratch"
    scratch.mkdir()
    assert erofs.refuse(archive) == []
    erofs.write(archive, image, 0, spec(compression=compression), tools)
    assert image.stat().st_size <= erofs.minimum_size(archive)
    found = erofs.read(image, tools, scratch)
    same(found, archive)
    for entry in archive:
        if entry.kind is Kind.FILE:
            assert found.read(entry.path) == archive.read(entry.path)


@build
def test_the_same_bytes_from_trees_made_in_another_order(tools: Tools, tmp_path: Path) -> None:
    images = []
    for name, reverse in (("one", False), ("two", True)):
        at, image = tmp_path / name, tmp_path / f"{name}.img"
        at.mkdir()
        with mounts.tmpfs(at):
            unpack(plain(), at, reverse=reverse)
            erofs.write(scan(at, epoch=EPOCH), image, 0, spec(compression="lz4"), tools)
        images.append(image.read_bytes())
    assert images[0] == images[1]


@build
def test_it_is_padded_to_its_partition_or_does_not_fit(tools: Tools, tmp_path: Path) -> None:
    archive = Archive.from_entries([file(b"f")], {b"f": b"x" * (5 << 20)})
    image = tmp_path / "image"
    erofs.write(archive, image, 8 << 20, spec(), tools)
    assert image.stat().st_size == 8 << 20
    same(erofs.read(image, tools, tmp_path), archive)
    with pytest.raises(DockyardError) as caught:
        erofs.write(archive, image, 4 << 20, spec(), tools)
    assert caught.value.problems[0].code == "filesystems.too-small"


@build
def test_a_large_directory_is_read(tools: Tools, tmp_path: Path) -> None:
    archive = Archive.from_entries([file(b"d/%05d" % at + b"n" * 90) for at in range(2000)])
    erofs.write(archive, tmp_path / "image", 0, spec(), tools)
    same(erofs.read(tmp_path / "image", tools, tmp_path), archive)


@build
def test_a_proof_names_what_was_lost(tools: Tools, tmp_path: Path) -> None:
    image = tmp_path / "image"
    erofs.write(plain(), image, 0, spec(), tools)
    prove("erofs", plain(), image, tools, tmp_path)
    other = Archive.from_entries(
        [
            *(
                replace(entry, mode=0o600, xattrs=()) if entry.path == b"x/many" else entry
                for entry in plain()
                if entry.path != b"a/one"
            ),
            file(b"zz"),
        ],
        DATA,
    )
    with pytest.raises(DockyardError) as caught:
        prove("erofs", other, image, tools, tmp_path)
    problem = caught.value.problems[0]
    assert problem.code == "filesystems.lost"
    assert problem.excerpt == (
        "/x/many: mode, xattrs",
        "/zz: missing",
        "/a/one: not in the archive",
    )


def test_what_cannot_be_held_is_refused_by_path() -> None:
    archive = Archive.from_entries(
        [
            file(b"a", xattrs=((b"btrfs.x", b""),)),
            file(b"b", xattrs=((b"user.x", bytes(70000)),)),
            file(b"c", mtime_ns=-SECOND - 1),
        ]
    )
    found = {(problem.code, problem.where) for problem in erofs.refuse(archive)}
    assert found == {
        ("filesystems.xattr-name", "/a"),
        ("filesystems.xattr-size", "/b"),
        ("filesystems.time", "/c"),
    }


def test_what_is_not_an_image_is_refused(tmp_path: Path) -> None:
    for content in (b"", b"x" * 10_000):
        (tmp_path / "image").write_bytes(content)
        with pytest.raises(DockyardError) as caught:
            erofs.read(tmp_path / "image", Tools(tmp_path), tmp_path)
        assert caught.value.problems[0].code == "filesystems.unreadable-image"
