"""A path inside a root never leads out of it; files are written whole."""

from __future__ import annotations

import errno
import hashlib
import os
import socket
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dockyard.errors import DockyardError
from dockyard.host.files import (
    below,
    copy_sparse,
    data_ranges,
    digest,
    open_regular,
    read_regular,
    remove_parts,
    write_atomic,
)
from dockyard.host.in_root import InRoot
from dockyard.host.private import private_directory
from dockyard.host.removal import remove_tree


@pytest.fixture
def root(tmp_path: Path) -> Path:
    tree = tmp_path / "root"
    (tree / "etc").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    return tree


def write(root: Path, path: str, data: bytes = b"x") -> None:
    with InRoot(root) as inside:
        inside.write(path, data, uid=os.getuid(), gid=os.getgid())


@pytest.mark.parametrize(
    "path", ["../../etc/passwd", "/../../../etc/passwd", "etc/../../../etc/passwd"]
)
def test_dots_stay_inside(root: Path, path: str) -> None:
    write(root, path)
    assert (root / "etc/passwd").read_bytes() == b"x"
    assert not (root.parent / "etc").exists()


def test_what_else_is_renamed_on_the_host_is_no_matter(root: Path) -> None:
    (root / "etc/link").symlink_to("../usr")
    (root / "usr").mkdir()
    (root / "usr/file").write_text("x")
    code = "import os\nwhile True: os.rename('a', 'b'); os.rename('b', 'a')"
    (root.parent / "a").touch()
    busy = subprocess.Popen([sys.executable, "-c", code], cwd=root.parent, stderr=-3)
    try:
        with InRoot(root) as inside:
            assert {inside.read("/etc/link/file") for _ in range(20_000)} == {b"x"}
    finally:
        busy.kill()
        busy.wait()


@pytest.mark.parametrize("target", ["/outside", "../../outside", "{outside}"])
def test_links_of_the_image_stay_inside(root: Path, target: str) -> None:
    outside = root.parent / "outside"
    (root / "link").symlink_to(target.format(outside=outside))
    (root / "outside").mkdir()
    inner = root / str(outside).lstrip("/")
    inner.mkdir(parents=True, exist_ok=True)
    write(root, "/link/file")
    assert list(outside.iterdir()) == []
    assert (root / "outside/file").exists() or (inner / "file").exists()


def test_a_link_at_the_end_is_replaced(root: Path) -> None:
    victim = root.parent / "outside/victim"
    victim.write_text("safe")
    (root / "etc/conf").symlink_to(victim)
    write(root, "/etc/conf", b"new")
    assert victim.read_text() == "safe"
    assert not (root / "etc/conf").is_symlink()


def test_neither_file_nor_link_takes_the_place_of_a_directory(root: Path, namespace: None) -> None:
    with InRoot(root) as inside:
        with pytest.raises(DockyardError, match="/etc is a directory in the image"):
            inside.write("/etc", b"x")
        with pytest.raises(DockyardError, match="/etc is a directory in the image"):
            inside.symlink("/etc", "usr")
    assert [path.name for path in root.iterdir()] == ["etc"]


def test_a_link_that_leads_nowhere_is_told(root: Path) -> None:
    (root / "etc/gone").symlink_to("/nowhere")
    with pytest.raises(DockyardError, match="not a directory"):
        write(root, "/etc/gone/file")


def test_a_file_in_the_way_is_told(root: Path) -> None:
    (root / "etc/file").write_text("")
    with pytest.raises(DockyardError, match="not a directory"):
        write(root, "/etc/file/below")
    (root / "etc/dir").mkdir()
    with pytest.raises(DockyardError, match="is a directory"):
        write(root, "/etc/dir")
    assert list((root / "etc/dir").iterdir()) == []


def test_modes_do_not_depend_on_the_umask(root: Path) -> None:
    old = os.umask(0o077)
    try:
        write(root, "/a/b/c")
        with InRoot(root) as inside:
            inside.make_directories("/d/e", mode=0o1777)
    finally:
        os.umask(old)
    assert stat.S_IMODE((root / "a/b").stat().st_mode) == 0o755
    assert stat.S_IMODE((root / "a/b/c").stat().st_mode) == 0o644
    assert stat.S_IMODE((root / "d/e").stat().st_mode) == 0o1777


def test_reading_follows_links_inside(root: Path) -> None:
    (root / "etc/real").write_text("text")
    (root / "etc/link").symlink_to("/etc/real")
    with InRoot(root) as inside:
        assert inside.read_text("/etc/link") == "text"
        assert inside.read_text("/etc/none", "default") == "default"
        assert inside.read_text(f"/etc/{'x' * 300}", "default") == "default"
        assert inside.read_text("/etc/.." * 1000, "default") == "default"
        assert inside.lstat("/etc/none") is None
        assert inside.names("/etc") == ["link", "real"]
        inside.remove("/etc/real")
        inside.remove("/etc/real")
        assert inside.names("/etc") == ["link"]


def test_only_files_of_the_image_are_read(root: Path) -> None:
    os.mkfifo(root / "etc/fifo")
    (root / "etc/circle").symlink_to("circle")
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(root / "etc/socket"))
    with (root / "etc/endless").open("wb") as file:
        file.truncate(1 << 40)
    with InRoot(root) as inside:
        for name in ("fifo", "circle", "socket", "endless", ""):
            with pytest.raises(DockyardError, match=f"/etc/{name} of the image cannot be read"):
                inside.read_text(f"/etc/{name}")


def test_sparse_copies_keep_holes_and_content(tmp_path: Path) -> None:
    source = tmp_path / "source"
    with source.open("wb") as file:
        file.seek(8 << 20)
        file.write(b"data")
        file.truncate(20 << 20)
    copy_sparse(source, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == source.read_bytes()
    assert (tmp_path / "copy").stat().st_blocks <= source.stat().st_blocks + 16


def test_a_part_is_copied_alone(tmp_path: Path) -> None:
    source, block = tmp_path / "source", 1 << 16
    data = b"".join(bytes([number]) * block if number % 3 else bytes(block) for number in range(9))
    with source.open("wb") as file:
        file.truncate(len(data))
        for number in range(9):
            if number % 3:
                os.pwrite(file.fileno(), data[number * block :][:block], number * block)
    for start, end in ((0, 2 * block), (block + 7, 5 * block + 9), (3 * block, 3 * block + 5)):
        copy_sparse(source, copy := tmp_path / f"{start}", start, end - start)
        assert copy.read_bytes() == data[start:end]
        with source.open("rb") as file:
            found = list(data_ranges(file.fileno(), end, start))
        assert b"".join(data[low:high] for low, high in found) == data[start:end].replace(
            b"\0", b""
        )
        assert all(start <= low < high <= end for low, high in found)


def test_a_digest_counts_holes_as_zeros(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with path.open("wb") as file:
        file.truncate(5 << 20)
        file.seek((2 << 20) + 17)
        file.write(b"in the middle")
    assert digest(path) == hashlib.sha256(path.read_bytes()).hexdigest()
    path.write_bytes(b"")
    assert digest(path) == hashlib.sha256(b"").hexdigest()


def test_atomic_write_leaves_no_part(tmp_path: Path) -> None:
    write_atomic(tmp_path / "file", b"one")
    write_atomic(tmp_path / "file", b"two")
    assert (tmp_path / "file").read_bytes() == b"two"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_what_lies_under_the_name_of_a_part_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("other")
    (tmp_path / f".f.{os.getpid()}.part").symlink_to("other")
    write_atomic(tmp_path / "f", b"mine")
    assert (tmp_path / "f").read_text() == "mine" and not (tmp_path / "f").is_symlink()
    assert (tmp_path / "other").read_text() == "other"


def test_what_lies_under_the_name_of_a_part_is_replaced_in_a_root(root: Path) -> None:
    for name in ("f", "link"):
        part = f".{hashlib.sha256(name.encode()).hexdigest()[:16]}.part"
        (root / "etc" / part).symlink_to("other")
    with InRoot(root) as inside:
        inside.write("/etc/f", b"mine")
        inside.symlink("/etc/link", "f")
    assert (root / "etc/link").read_text() == "mine"
    assert sorted(path.name for path in (root / "etc").iterdir()) == ["f", "link"]


def test_parts_of_dead_processes_are_removed(tmp_path: Path) -> None:
    target = tmp_path / "image[1].raw"
    dead, alive = tmp_path / ".image[1].raw.4194305.part", tmp_path / f".{target.name}.1.part"
    other, own = tmp_path / ".image1.raw.4194305.part", tmp_path / ".image[1].raw.old.part"
    for path in (dead, alive, other, own):
        path.write_text("")
    remove_parts(target)
    assert sorted(tmp_path.iterdir()) == sorted([alive, other, own])
    (tmp_path / ".web.4194305.part/Packages").mkdir(parents=True)
    remove_parts(tmp_path / "web")
    assert sorted(tmp_path.iterdir()) == sorted([alive, other, own])


def test_trees_without_permissions_are_removed(tmp_path: Path) -> None:
    (tmp_path / "t/a/b").mkdir(parents=True)
    (tmp_path / "t/a").chmod(0o500)
    (tmp_path / "t").chmod(0o500)
    remove_tree(tmp_path / "t")
    assert not (tmp_path / "t").exists()


def test_trees_deeper_than_any_path_are_removed(tmp_path: Path) -> None:
    place = os.open(tmp_path, os.O_RDONLY)
    for name in ("t", *["d" * 100] * 1200):
        os.mkdir(name, dir_fd=place)
        below = os.open(name, os.O_RDONLY, dir_fd=place)
        os.close(place)
        place = below
    os.close(os.open("leaf", os.O_CREAT, dir_fd=place))
    os.close(place)
    remove_tree(tmp_path / "t")
    assert not list(tmp_path.iterdir())


def test_removing_a_tree_follows_no_link(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/file").write_text("")
    (tmp_path / "t").mkdir()
    (tmp_path / "t/link").symlink_to("../outside")
    (tmp_path / "link").symlink_to("outside")
    remove_tree(tmp_path / "t")
    remove_tree(tmp_path / "link")
    remove_tree(tmp_path / "link")
    assert [path.name for path in tmp_path.rglob("*")] == ["outside", "file"]


def test_what_the_system_holds_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "t/a").mkdir(parents=True)
    (tmp_path / "t/a/held").touch()

    def refuse(name: str, **where: int) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted", name)

    monkeypatch.setattr("dockyard.host.removal.os.unlink", refuse)
    with pytest.raises(DockyardError) as caught:
        remove_tree(tmp_path / "t")
    (problem,) = caught.value.problems
    assert problem.code == "host.cannot-remove" and problem.where == str(tmp_path / "t")
    assert problem.why.startswith("held: ") and problem.fix.endswith(f"rm -r {tmp_path / 't'}")


def test_two_may_remove_one_tree(tmp_path: Path) -> None:
    for number in range(3000):
        (tmp_path / f"t/{number % 50}/{number}").mkdir(parents=True)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(remove_tree, [tmp_path / "t"] * 4))
    assert not list(tmp_path.iterdir())


def test_a_copy_between_file_systems_of_two_kinds_keeps_its_holes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    source = tmp_path / "source"
    with source.open("wb") as file:
        file.truncate(8 << 20)
        for at in (0, 3 << 20, (8 << 20) - 3):
            file.seek(at)
            file.write(b"abc")
    monkeypatch.setattr(os, "copy_file_range", refuse)
    copy_sparse(source, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == source.read_bytes()
    assert (tmp_path / "copy").stat().st_blocks <= source.stat().st_blocks


def test_only_regular_files_of_a_bounded_size_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "text").write_bytes(b"12345")
    assert read_regular(tmp_path / "text", 5) == b"12345"
    for path, limit, why in (
        (tmp_path / "fifo", 9, "a FIFO"),
        (Path("/dev/zero"), 9, "a device"),
        (tmp_path, 9, "a directory"),
        (tmp_path / "text", 4, "larger"),
        (Path("/proc/self/status"), 1 << 20, "the kernel makes it up"),
    ):
        with pytest.raises(OSError, match=why):
            open_regular(path, limit)
    link = tmp_path / "link"
    link.symlink_to("/proc/kmsg")  # a regular file, by its mode; reading it waits for ever
    with pytest.raises(OSError, match="the kernel makes it up"):
        read_regular(link)
    with open(tmp_path / "text", "rb") as file:
        assert read_regular(Path(f"/proc/self/fd/{file.fileno()}")) == b"12345"


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_a_private_directory_is_closed_and_open_inside(umask: int, tmp_path: Path) -> None:
    """A set-id file or a shadow file in it is nobody else's, and the sandbox can read the rest."""
    place = tmp_path / "above/store"
    before = os.umask(umask)
    try:
        (place / "blobs/aa").mkdir(parents=True)
        (place / "blobs/aa/file").write_text("text")
        (place / "link").symlink_to("nowhere")
        private_directory(place)
    finally:
        os.umask(before)
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    for inner, wanted in (("blobs", 0o755), ("blobs/aa", 0o755), ("blobs/aa/file", 0o644)):
        assert stat.S_IMODE((place / inner).stat().st_mode) & wanted == wanted
    private_directory(place)


@pytest.mark.parametrize("name", [".ssh/key", "docs/key", "tools/key"])
def test_a_directory_that_is_no_store_is_left_alone(name: str, tmp_path: Path) -> None:
    place = tmp_path / "home"
    (place / "docs").mkdir(parents=True)
    (place / name).parent.mkdir(mode=0o700, exist_ok=True)
    (place / name).touch(mode=0o600)
    before = [path.stat().st_mode for path in (place, *place.rglob("*"))]
    with pytest.raises(DockyardError, match="is not a store"):
        private_directory(place)
    assert [path.stat().st_mode for path in (place, *place.rglob("*"))] == before


def test_a_directory_that_all_users_share_is_no_store(tmp_path: Path) -> None:
    for name in ("blobs", "of-another-user"):
        (tmp_path / name).mkdir()
    tmp_path.chmod(0o1777)
    with pytest.raises(DockyardError, match="is not a store"):
        private_directory(tmp_path)
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o1777


def test_in_a_store_nothing_is_opened_but_what_programs_read(tmp_path: Path) -> None:
    for name in ("logs/log", "results/tree/shadow", "other/key", "blobs/blob"):
        (tmp_path / name).parent.mkdir(mode=0o700, parents=True)
        (tmp_path / name).touch(mode=0o600)
    (tmp_path / "results").chmod(0o700)
    private_directory(tmp_path)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*")}
    assert (modes["results"], modes["shadow"], modes["blob"]) == (0o755, 0o600, 0o644)
    assert (modes["logs"], modes["log"]) == (modes["other"], modes["key"]) == (0o700, 0o600)


def test_a_private_directory_is_made_private(tmp_path: Path) -> None:
    private_directory(tmp_path / "above/store")
    assert stat.S_IMODE((tmp_path / "above/store").stat().st_mode) == 0o700


def test_names_below_a_directory_whatever_links_lead_to(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/c").touch()
    (tmp_path / "a/up").symlink_to("..")
    (tmp_path / "long").symlink_to("x" * 999)
    found = [str(path.relative_to(tmp_path)) for path in below(tmp_path)]
    assert found == ["a", "a/b", "a/b/c", "a/up", "long"]
