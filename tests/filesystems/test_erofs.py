"""EROFS: holds everything; what is written is read back, and twice the same bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from written_image import SPEC

from dockyard.archive import Archive, streamed
from dockyard.errors import DockyardError
from dockyard.filesystems import FilesystemSpec, erofs
from dockyard.filesystems.erofs import reader
from dockyard.filesystems.proof import prove
from dockyard.host.process import Completed
from dockyard.host.sandbox import Tools
from nasty_archive import DATA, SECOND, file, nasty, plain, same, same_data

build = pytest.mark.build


def spec(**options: str) -> FilesystemSpec:
    return replace(SPEC, label="usr", options=options)


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
    same_data(found, archive)


@build
def test_it_is_padded_to_its_partition(tools: Tools, tmp_path: Path) -> None:
    archive = Archive.from_entries([file(b"f")], {b"f": b"x" * (5 << 20)})
    image = tmp_path / "image"
    erofs.write(archive, image, 8 << 20, spec(), tools)
    assert image.stat().st_size == 8 << 20
    same(erofs.read(image, tools, tmp_path), archive)


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


@build
@pytest.mark.parametrize(
    "options",
    [
        ["--chunksize=4096"],
        ["--chunksize=65536", "-Eforce-chunk-indexes"],
        ["-zlz4", "-Efragments,dedupe"],
        ["-zzstd", "-Ededupe,ztailpacking"],
        ["-zlzma"],
        ["-zdeflate"],
        ["-Enoinline_data", "-b1024"],
    ],
)
def test_what_others_make_is_read(tools: Tools, tmp_path: Path, options: list[str]) -> None:
    image, data = tmp_path / "image", {b"f%d" % at: b"words\n" * (at * 4000) for at in range(12)}
    archive = Archive.from_entries([file(path) for path in data], data)
    image.touch()
    with streamed(archive) as stream:
        argv = ["mkfs.erofs", "--quiet", *options, "--tar=f", str(image)]
        tools.run(argv, write=[image], stdin=stream)
    found = erofs.read(image, tools, tmp_path)
    same_data(found, archive)
    assert [entry.digest for entry in found] == [entry.digest for entry in archive]


@build
def test_what_is_not_read_is_named(tools: Tools, tmp_path: Path) -> None:
    image = tmp_path / "image"
    erofs.write(plain(), image, 0, spec(), tools)
    sound = image.read_bytes()
    for at, value, named in (
        (0, 0xD078629A, "it is an image of composefs, which has no data of files"),
        (1024 + 80, 0x8, "the data of its files are on other devices"),
        (1024 + 80, 0x80, "it has addresses of 48 bits"),
        (1024 + 80, 0x100, "its inodes are in a file of their own, the metabox"),
        (1024 + 80, 0x10000, "it has features not understood: incompat 0x10000"),
    ):
        changed = bytearray(sound)
        changed[at : at + 4] = value.to_bytes(4, "little")
        image.write_bytes(changed)
        with pytest.raises(DockyardError) as caught:
            erofs.read(image, tools, tmp_path)
        assert caught.value.problems[0].why == named


class Lured(Tools):
    """Tools whose fsck.erofs makes a link of a directory."""

    def run(self, argv: Sequence[str], **_: object) -> Completed:
        into = Path(argv[1].removeprefix("--extract="))
        (into / "d").symlink_to(into.parents[1] / "host")
        return Completed(tuple(argv), 0, b"", b"")


@build
def test_what_was_unpacked_is_never_looked_for_elsewhere(tools: Tools, tmp_path: Path) -> None:
    archive = Archive.from_entries([file(b"d/f")], {b"d/f": b"words\n" * 9000})
    image, scratch = tmp_path / "image", tmp_path / "scratch"
    erofs.write(archive, image, 0, spec(compression="lz4"), tools)
    (tmp_path / "host").mkdir()
    (tmp_path / "host/f").write_bytes(b"words\n" * 9000)
    scratch.mkdir()
    with pytest.raises(DockyardError) as caught:
        erofs.read(image, Lured(tools.root), scratch)
    assert "the data of /d/f could not be unpacked" in caught.value.problems[0].why


@build
def test_more_than_can_be_packed_is_not_unpacked(
    tools: Tools, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = Archive.from_entries([file(b"zeros")], {b"zeros": bytes(32 << 20)})
    erofs.write(archive, tmp_path / "image", 0, spec(compression="lz4"), tools)
    same(erofs.read(tmp_path / "image", tools, tmp_path), archive)
    monkeypatch.setattr(reader, "_MOST_BESIDES", 1 << 20)
    with pytest.raises(DockyardError) as caught:
        erofs.read(tmp_path / "image", Lured(tools.root), tmp_path)
    assert "impossibly large" in caught.value.problems[0].why
