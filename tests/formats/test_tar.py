"""A tar holds the root with every attribute, as our own reader and GNU tar see it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from image_parts import parts

from dockyard.archive import Archive, Kind, scan_stream
from dockyard.archive.entry import DEVICES, NANOSECONDS
from dockyard.formats import by_name
from dockyard.host.sandbox import Tools
from features import covers
from nasty_archive import nasty, plain, same, same_data

LETTERS = {
    Kind.DIRECTORY: "d",
    Kind.FILE: "-",
    Kind.SYMLINK: "l",
    Kind.HARDLINK: "h",
    Kind.CHARACTER: "c",
    Kind.BLOCK: "b",
    Kind.FIFO: "p",
}


def written(name: str, folder: Path, root: Archive, tools: Tools) -> Path:
    (out,) = by_name(name).write(parts(folder, root), folder, tools)
    return out


def test_the_reader_gives_back_what_was_written(tmp_path: Path) -> None:
    found = scan_stream(written("tar", tmp_path, nasty(), Tools(tmp_path)))
    same(found, nasty())
    same_data(found, nasty())


@covers(format="tar", judge="GNU tar")
@pytest.mark.build
def test_gnu_tar_lists_every_name_and_attribute(tools: Tools, tmp_path: Path) -> None:
    file = written("tar", tmp_path, nasty(), tools)
    argv = ["tar", "--list", "-vv", "--numeric-owner", "--full-time", "--quoting-style=escape"]
    done = tools.run([*argv, "--acls", "--xattrs-include=*", f"--file={file}"], read=[file])
    assert not done.stderr, "it warns of something"
    listed = done.text.splitlines()
    lines = [line for line in listed if not line.startswith("  ")]
    attributes = [line.split()[-1] for line in listed if line.startswith("  x: ")]
    archive = nasty()
    assert len(lines) == len(archive)
    for line, entry in zip(lines, archive, strict=True):
        mode, owner, size, day, time = line.split()[:5]
        assert mode[0] == LETTERS[entry.kind], line
        assert owner == f"{entry.uid}/{entry.gid}", line
        if entry.kind in DEVICES:
            assert size == f"{entry.rdev[0]},{entry.rdev[1]}", line
        elif entry.kind is Kind.FILE:
            assert size == str(entry.size), line
        seconds = entry.mtime_ns // NANOSECONDS
        told = datetime.fromisoformat(f"{day}T{time[:8]}+00:00").astimezone(UTC)
        assert int(told.timestamp()) == seconds, line
    expected = [
        name.decode()
        for entry in archive
        if entry.kind is not Kind.HARDLINK
        for name, _ in entry.xattrs
    ]
    assert sorted(attributes) == sorted(expected)
    # As text, too: this is what it takes when it unpacks with --acls, and all that bsdtar takes.
    access = "user::rw-,user:1000:r--,group::r--,mask::rw-,other::---"
    default = ",".join(f"default:{each}" for each in access.split(","))
    lists = [line.split()[1] for line in listed if line.startswith("  a: ")]
    assert lists == [access, default]


@covers(format="tar-zst", judge="zstd")
@pytest.mark.build
def test_the_compressed_one_is_the_same_stream(tools: Tools, tmp_path: Path) -> None:
    for folder in ("plain", "packed"):
        (tmp_path / folder).mkdir()
    unpacked = written("tar", tmp_path / "plain", plain(), tools)
    packed = written("tar-zst", tmp_path / "packed", plain(), tools)
    assert packed.name == "web.tar.zst"
    assert packed.stat().st_size < unpacked.stat().st_size // 2
    found = tools.run(["zstd", "--decompress", "--stdout", str(packed)], read=[packed]).stdout
    assert found == unpacked.read_bytes()
