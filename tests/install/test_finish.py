"""The pass over a tree after its packages are in."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from dockyard.errors import DockyardError
from dockyard.host.removal import remove_tree
from dockyard.host.sandbox import Tools, lent
from dockyard.install.finish import clamp_times, finish, refuse_sockets
from dockyard.model.family import HARBOR

EPOCH = 1_700_000_000


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = tmp_path / "root"
    for name in ("etc/ssh", "usr/lib/systemd", "var/tmp", "run/lock", "tmp/deep/deeper"):
        (made / name).mkdir(parents=True)
    return made


def write(root: Path, path: str, text: str = "") -> Path:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def finish_made(root: Path, *, presets: bool = True) -> tuple[str, ...]:
    """The pass over a tree whose files this test made: programs work on it as on an image's own."""
    with lent([root]):
        return finish(root, EPOCH, HARBOR.packaging, presets=presets)


def test_no_time_is_later_than_the_epoch_and_older_ones_stay(root: Path) -> None:
    new, old = write(root, "etc/new"), write(root, "usr/old")
    os.utime(old, (EPOCH - 10, EPOCH - 10))
    (root / "etc/dangling").symlink_to("nowhere")
    clamp_times(root, EPOCH)
    assert new.stat().st_mtime_ns == EPOCH * 1_000_000_000
    assert old.stat().st_mtime == EPOCH - 10
    assert (root / "etc/dangling").lstat().st_mtime == EPOCH
    assert {path.stat().st_mtime for path in (root, *root.rglob("*/")) if path.is_dir()} == {EPOCH}


def test_what_is_written_gets_an_epoch_that_is_ahead_of_the_clock(root: Path) -> None:
    begun = root.stat().st_ctime_ns
    ahead = begun // 10**9 + 10**8
    new, dated = write(root, "etc/new"), write(root, "usr/dated")
    os.utime(dated, (ahead - 10, ahead - 10))
    clamp_times(root, ahead, begun)
    assert (new.stat().st_mtime, dated.stat().st_mtime) == (ahead, ahead - 10)


def test_times_behind_links_out_of_the_tree_stay(root: Path, tmp_path: Path) -> None:
    outside = write(tmp_path, "outside/file")
    before = outside.stat().st_mtime_ns
    (root / "etc/out").symlink_to(outside.parent)
    (root / "etc/file").symlink_to(outside)
    clamp_times(root, EPOCH)
    assert outside.stat().st_mtime_ns == before


def test_what_differs_from_build_to_build_is_removed(root: Path) -> None:
    gone = [
        write(root, path)
        for path in (
            "etc/passwd-",
            "etc/.pwd.lock",
            "etc/ssh/ssh_host_ed25519_key",
            "etc/ssh/ssh_host_ed25519_key.pub",
            "var/cache/ldconfig/aux-cache",
            "var/log/dnf.rpm.log",
            "var/lib/rpm/.rpm.lock",
            "run/lock/some",
            "tmp/deep/deeper/file",
        )
    ]
    kept = [write(root, path) for path in ("etc/passwd", "etc/ssh/moduli", "var/log/messages")]
    finish(root, EPOCH, HARBOR.packaging)
    assert [path for path in gone if path.exists()] == []
    assert all(path.exists() for path in kept)
    assert list((root / "run").iterdir()) == list((root / "tmp").iterdir()) == []


def test_volatile_directory_that_is_a_link_is_left_alone(root: Path, tmp_path: Path) -> None:
    outside = write(tmp_path, "outside/file")
    (root / "var/tmp").rmdir()
    (root / "var/tmp").symlink_to(outside.parent)
    finish(root, EPOCH, HARBOR.packaging)
    assert outside.exists()


def test_first_boot_finds_nothing_to_do(root: Path) -> None:
    write(root, "usr/lib/systemd/systemd")
    write(root, "etc/machine-id", "0123456789abcdef0123456789abcdef\n")
    finish(root, EPOCH, HARBOR.packaging)
    machine_id = root / "etc/machine-id"
    assert machine_id.read_bytes() == b""
    assert machine_id.stat().st_mode & 0o7777 == 0o444
    # ConditionNeedsUpdate= compares these times with that of /usr.
    for path in ("etc/.updated", "var/.updated"):
        assert (root / path).stat().st_mtime == (root / "usr").stat().st_mtime == EPOCH


def test_tree_without_systemd_gets_no_machine_id(root: Path) -> None:
    finish(root, EPOCH, HARBOR.packaging)
    assert not (root / "etc/machine-id").exists()


def program(tools: Tools, root: Path, path: str, script: str) -> None:
    """Put a program for sh into a tree that has just enough to run it."""
    for name in ("proc", "dev", "usr/bin", "usr/sbin"):
        (root / name).mkdir(parents=True, exist_ok=True)
    for name in ("bin", "lib", "lib64"):
        if not (root / name).exists():
            (root / name).symlink_to(f"usr/{name}")
    libraries = ("usr/bin/dash", "usr/lib/x86_64-linux-gnu/libc.so.6", "usr/lib64")
    for name in libraries:
        source, target = tools.root / name, root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir() and not target.exists():
            target.mkdir()
            for child in source.iterdir():
                (target / child.name).write_bytes(child.read_bytes())
                (target / child.name).chmod(0o755)
        elif not source.is_dir():
            target.write_bytes(source.read_bytes())
            target.chmod(0o755)
    write(root, path, f"#!/bin/dash\n{script}\n").chmod(0o755)


@pytest.mark.build
def test_programs_run_in_the_tree_unless_their_outcome_is_there(root: Path, tools: Tools) -> None:
    (root / "usr/lib/udev/hwdb.d").mkdir(parents=True)
    script = 'echo "$@ $SOURCE_DATE_EPOCH" > /usr/lib/udev/hwdb.bin'
    program(tools, root, "usr/bin/systemd-hwdb", script)
    assert finish_made(root) == ("/usr/bin/systemd-hwdb update --usr --strict",)
    made = root / "usr/lib/udev/hwdb.bin"
    assert made.read_text() == f"update --usr --strict {EPOCH}\n"
    assert finish_made(root) == ()


@pytest.mark.build
def test_presets_are_left_out_on_demand(root: Path, tools: Tools) -> None:
    program(tools, root, "usr/bin/systemctl", 'echo "$@" >> /etc/called')
    finish_made(root, presets=False)
    assert not (root / "etc/called").exists()
    finish_made(root)
    assert (root / "etc/called").read_text() == "preset-all\n--global preset-all\n"


@pytest.mark.build
def test_failing_program_is_an_error_that_names_it(root: Path, tools: Tools) -> None:
    program(tools, root, "usr/bin/systemd-sysusers", "echo no such luck >&2; exit 3")
    with pytest.raises(DockyardError) as caught:
        finish_made(root)
    (problem,) = caught.value.problems
    assert problem.code == "tree.finish-failed"
    assert "systemd-sysusers" in problem.what
    assert "no such luck" in problem.excerpt


def test_sockets_that_scripts_leave_are_named(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)  # the path of a socket is short
    (root / "var/lib").mkdir()
    for path in ("run/lock/daemon", "tmp/deep/deeper/s", "var/lib/app.sock"):
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path)
    with pytest.raises(DockyardError) as caught:
        refuse_sockets(root)
    (problem,) = caught.value.problems
    assert problem.code == "tree.socket"
    assert "/var/lib/app.sock" in problem.what
    assert "run" not in problem.what and "tmp" not in problem.what
    (root / "var/lib/app.sock").unlink()
    refuse_sockets(root)


def test_what_lies_deeper_than_any_path_is_told(root: Path) -> None:
    place = os.open(root, os.O_RDONLY)
    for name in ["d"] * 3000:
        os.mkdir(name, dir_fd=place)
        below = os.open(name, os.O_RDONLY, dir_fd=place)
        os.close(place)
        place = below
    os.close(place)
    try:
        for walk in (refuse_sockets, lambda root: clamp_times(root, EPOCH)):
            with pytest.raises(DockyardError, match="nested too deeply: /d/d/d"):
                walk(root)
    finally:
        remove_tree(root)
