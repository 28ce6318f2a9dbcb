"""The root as a file system: read back it is what was given, and what cannot be held is refused."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
from image_parts import EPOCH, parts

from dockyard.archive import Archive, Entry, Kind
from dockyard.errors import DockyardError
from dockyard.filesystems import by_name as filesystem
from dockyard.filesystems.probe import probe
from dockyard.formats import by_name
from dockyard.host.sandbox import Tools
from dockyard.inspection.disks import open_disk
from dockyard.inspection.systems import find_system
from dockyard.tools.unpacked import ToolTrees
from features import Proof, covers
from nasty_archive import ACL, nasty, plain, same, same_data

NAMES = ("squashfs", "erofs")


def written(name: str, folder: Path, root: Archive, tools: Tools) -> Path:
    (out,) = by_name(name).write(parts(folder, root), folder, tools)
    return out


def seconds(entry: Entry) -> Entry:
    return dataclasses.replace(entry, mtime_ns=entry.mtime_ns // 10**9 * 10**9)


@pytest.mark.build
@pytest.mark.parametrize(("name", "given"), [("squashfs", plain), ("erofs", nasty)])
def test_it_holds_the_root(
    tools: Tools, tmp_path: Path, name: str, given: Callable[[], Archive]
) -> None:
    root = given()
    out = written(name, tmp_path, root, tools)
    assert out.name == f"web.{name}"
    assert out.stat().st_size < sum(entry.size for entry in root) / 2
    found = filesystem(name).read(out, tools, tmp_path)
    same_data(found, root)
    same(*(each.changed(seconds) if name == "squashfs" else each for each in (found, root)))


@covers(format="{name}", proofs=[Proof.READ_BACK])
@pytest.mark.build
@pytest.mark.parametrize("name", NAMES)
def test_it_is_read_as_an_image_without_a_table(tools: Tools, tmp_path: Path, name: str) -> None:
    entry = Entry(b"etc/os-release", Kind.FILE, mtime_ns=EPOCH * 10**9)
    root = Archive.from_entries([entry], {entry.path: b"ID=small\nVERSION_ID=1\n"})
    out = written(name, tmp_path, root, tools)
    content = probe(out)
    assert content is not None and content.kind == name
    (tmp_path / "scratch").mkdir()
    disk = open_disk(out, tmp_path / "scratch", tools)
    system = find_system(disk, tmp_path / "scratch", ToolTrees(tools, tools))
    assert system.tree.text("/etc/os-release") == "ID=small\nVERSION_ID=1\n"


@covers(format="{name}", proofs=[Proof.TRUNCATED])
@pytest.mark.build
@pytest.mark.parametrize("name", NAMES)
def test_half_of_it_is_refused(tools: Tools, tmp_path: Path, name: str) -> None:
    out = written(name, tmp_path, plain(), tools)
    content = out.read_bytes()
    for size in (len(content) // 2, 4096, 1500):
        out.write_bytes(content[:size])
        with pytest.raises(DockyardError):
            filesystem(name).read(out, tools, tmp_path)


# A program of the file system's own, and what it finds.
JUDGES = {
    "squashfs": (["unsquashfs", "-lls"], "etc/passwd"),
    "erofs": (["dump.erofs", "--ls", "--path=/etc"], "passwd"),
}


@covers(format="squashfs", judge="unsquashfs")
@covers(format="erofs", judge="dump.erofs")
@pytest.mark.build
@pytest.mark.parametrize("name", NAMES)
def test_its_own_program_finds_the_files(tools: Tools, tmp_path: Path, name: str) -> None:
    root = Archive.from_entries([Entry(b"etc/passwd", Kind.FILE)], {b"etc/passwd": b"root:\n"})
    out = written(name, tmp_path, root, tools)
    argv, said = JUDGES[name]
    assert said in tools.run([*argv, str(out)], read=[out]).text


@covers(format="{name}", proofs=[Proof.DAMAGED])
@pytest.mark.build
@pytest.mark.parametrize(("name", "places"), [("squashfs", (0, 28, 68)), ("erofs", (1024, 1060))])
def test_a_damaged_one_is_refused(
    tools: Tools, tmp_path: Path, name: str, places: tuple[int, ...]
) -> None:
    out = written(name, tmp_path, plain(), tools)
    whole = out.read_bytes()
    for place in places:
        damaged = bytearray(whole)
        damaged[place] ^= 0xFF
        out.write_bytes(damaged)
        with pytest.raises(DockyardError):
            filesystem(name).read(out, tools, tmp_path)


@pytest.mark.build
def test_what_squashfs_cannot_hold_is_refused_by_path(tools: Tools, tmp_path: Path) -> None:
    entry = Entry(b"srv/shared", Kind.FILE, xattrs=((b"system.posix_acl_access", ACL),))
    with pytest.raises(DockyardError) as caught:
        written("squashfs", tmp_path, Archive.from_entries([entry]), tools)
    (problem,) = caught.value.problems
    assert "ACLs" in problem.what and "/srv/shared" in "".join((*problem.excerpt, problem.why))
    assert not (tmp_path / "web.squashfs").exists()
