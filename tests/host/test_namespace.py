"""The namespace: entered once, nested without harm, and explained when it cannot be had."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dockyard.host.namespace import (
    CALLER,
    SubordinateRange,
    _map_of,
    _suffices,
    image_id,
    subordinate_range,
)

ENTER = "from dockyard.host import namespace, kernel; import os, pathlib\nnamespace.enter()\n"


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_inside_every_id_can_own_a_file(tmp_path: Path) -> None:
    code = ENTER + (
        f"path = pathlib.Path({str(tmp_path)!r}) / 'file'\npath.write_text('')\n"
        "os.chown(path, 42, 65534)\nfound = path.stat()\n"
        "print(os.getuid(), found.st_uid, found.st_gid)\npath.unlink()"
    )
    assert run(code).split() == [str(CALLER), "42", "65534"]


def test_the_root_of_images_is_neither_the_caller_nor_the_root_of_the_host(tmp_path: Path) -> None:
    code = ENTER + (
        f"place = pathlib.Path({str(tmp_path)!r})\n(place / 'mine').write_text('')\n"
        "(place / 'root').write_text('')\nos.chown(place / 'root', 0, 0)"
    )
    run(code)
    mine, roots = ((tmp_path / name).stat() for name in ("mine", "root"))
    assert (mine.st_uid, mine.st_gid) == (os.getuid(), os.getgid())
    assert roots.st_uid not in (0, os.getuid())
    assert roots.st_gid not in (0, os.getgid())


def test_what_the_caller_made_is_roots_in_an_image() -> None:
    assert [image_id(number) for number in (0, 1, 65535, CALLER)] == [0, 1, 65535, 0]


def test_a_program_started_inside_works_in_the_same_namespace(tmp_path: Path) -> None:
    inner = ENTER + "print(os.readlink('/proc/self/ns/user'), os.readlink('/proc/self/ns/mnt'))"
    code = ENTER + (
        "import subprocess, sys\nprint(os.readlink('/proc/self/ns/user'),"
        " os.readlink('/proc/self/ns/mnt'), flush=True)\n"
        f"subprocess.run([sys.executable, '-c', {inner!r}], check=True, user=0, group=0)"
    )
    outer_user, outer_mount, inner_user, inner_mount = run(code).split()
    assert outer_user == inner_user
    assert outer_mount != inner_mount, "mounts of one are not seen by the other"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0 1000 1\n1 100000 65535\n", True),
        ("0 100000 65536\n65536 1000 1\n", True),
        ("0 0 4294967295\n", False),
        ("0 1000 1\n", False),
        ("0 1000 1\n5 100000 65535\n", False),
    ],
)
def test_which_maps_suffice(text: str, expected: bool, tmp_path: Path) -> None:
    (tmp_path / "map").write_text(text)
    assert _suffices(_map_of(tmp_path / "map")) is expected


def test_ranges_are_read_by_name_or_number(tmp_path: Path) -> None:
    file = tmp_path / "subuid"
    file.write_text("bob:1000:100\nalice:100000:65536\n1005:300000:65536\n")
    assert subordinate_range(file, "alice", 1) == SubordinateRange(100000, 65536)
    assert subordinate_range(file, "carol", 1005) == SubordinateRange(300000, 65536)
    assert subordinate_range(file, "bob", 2) is None
    assert subordinate_range(tmp_path / "none", "bob", 2) is None
