"""Questions about files, answered by this host's coreutils against a small tree."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from dockyard.tree.check import Check
from dockyard.tree.file_facts import FileFact, file_checks, name_checks

NAMES = ("plain", "with blank", "it's", "back\\slash", "new\nline", "ü" * 127, "\udcff" * 254)


def fact(path: Path) -> FileFact:
    found = path.lstat()
    if path.is_symlink():
        return FileFact(
            str(path), found.st_mode, found.st_uid, found.st_gid, target=str(path.readlink())
        )
    if path.is_dir():
        return FileFact(str(path), found.st_mode, found.st_uid, found.st_gid)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return FileFact(str(path), found.st_mode, found.st_uid, found.st_gid, found.st_size, digest)


def holds(check: Check) -> bool:
    done = subprocess.run(
        [b"sh", b"-c", check.script.encode(errors="surrogateescape")],
        env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
        capture_output=True,
    )
    return done.stdout.decode(errors="surrogateescape").strip() == check.expect.strip()


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_asked_and_answered(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text("text")
    (tmp_path / f"l{name[:60]}").symlink_to(name)
    (check,) = file_checks("f", "t", [fact(path), fact(tmp_path / f"l{name[:60]}"), fact(tmp_path)])
    assert holds(check)


def replaced(path: Path, made: Callable[[Path], None]) -> None:
    path.unlink()
    made(path)


LIES: dict[str, Callable[[Path], object]] = {
    "content of the same length": lambda path: path.write_text("texT"),
    "length": lambda path: path.write_text("text and more"),
    "mode": lambda path: path.chmod(0o600),
    "set-id bit": lambda path: path.chmod(0o4644),
    "absence": lambda path: path.unlink(),
    "kind": lambda path: replaced(path, Path.mkdir),
    "link": lambda path: replaced(path, lambda at: at.symlink_to("other")),
}


@pytest.mark.parametrize("name", LIES)
def test_each_lie_about_a_file_is_found(name: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("text")
    path.chmod(0o644)
    (check,) = file_checks("f", "t", [fact(path)])
    assert holds(check)
    LIES[name](path)
    assert not holds(check)


def test_a_link_that_leads_elsewhere_and_a_directory_opened_are_found(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("one")
    (tmp_path / "directory").mkdir(mode=0o755)
    (check,) = file_checks("f", "t", [fact(tmp_path / "link"), fact(tmp_path / "directory")])
    (tmp_path / "directory").chmod(0o777)
    assert not holds(check)
    (tmp_path / "directory").chmod(0o755)
    assert holds(check)
    (tmp_path / "link").unlink()
    (tmp_path / "link").symlink_to("two")
    assert not holds(check)


def test_many_files_are_asked_in_parts_that_a_shell_takes(tmp_path: Path) -> None:
    facts = [FileFact(f"/usr/{number:04}/{'x' * 200}", 0o100644, size=1) for number in range(2000)]
    checks = file_checks("files", "t", facts)
    assert len(checks) > 3
    assert all(len(check.script) < 128 << 10 for check in checks)
    assert sum(check.expect.count("\n") + 1 for check in checks) == 2000
    assert len({check.id for check in checks}) == len(checks)


@pytest.mark.parametrize("alone", [False, True])
def test_names_are_asked_as_ls_prints_them(alone: bool, tmp_path: Path) -> None:
    names = [
        "plain",
        ".hidden",
        "a b",
        "new\nline",
        "b\\s",
        "größe",
        "-dash",
        "c:d",
        "\udcff",
        "\x01",
    ]
    held = {str(tmp_path): names}
    for name in names:
        (tmp_path / name).mkdir()
        if not alone:
            held[f"{tmp_path}/{name}"] = ["x"]
            (tmp_path / name / "x").touch()
            (tmp_path / name / "__pycache__").mkdir()
    [check] = name_checks("names", "title", held, ["__pycache__", "lost+found"])

    def asked() -> bool:
        environment = {**os.environ, "LC_ALL": "C"}
        words = [b"sh", b"-c", os.fsencode(check.script)]
        told = subprocess.run(words, env=environment, stdout=subprocess.PIPE, check=True).stdout
        return os.fsdecode(told).strip() == check.expect.strip()

    assert asked()
    (tmp_path / "more").touch()
    assert not asked()
    (tmp_path / "more").unlink()
    (tmp_path / "-dash/x").unlink(missing_ok=True)
    assert asked() is alone


def test_many_directories_take_many_questions() -> None:
    held = {f"/usr/{number:05}/{'x' * 200}": ["a"] for number in range(2000)}
    found = name_checks("names", "title", held, ["lost+found"])
    assert [check.id for check in found] == [f"names.{number}" for number in range(1, 8)]
    assert all(len(check.script) < 100_000 for check in found)
