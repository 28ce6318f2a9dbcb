"""Seals: what was touched is found by a look, what is damaged by its content."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from pathlib import Path

import pytest

from dockyard.host import seal


@pytest.fixture
def sealed(tmp_path: Path) -> Path:
    directory = tmp_path / "result"
    (directory / "tree/below").mkdir(parents=True)
    (directory / "tree/file").write_bytes(b"content")
    (directory / "tree/below/empty").touch()
    (directory / "tree/link").symlink_to("file")
    with (directory / "disk").open("wb") as disk:
        disk.truncate(64 << 20)
        disk.seek(40 << 20)
        disk.write(b"in the middle")
    seal.write(directory)
    return directory


def rewrite(path: Path, data: bytes, at: int = 0) -> None:
    """Change a file as somebody would who wants nobody to see it."""
    before = path.stat()
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_what_nobody_touched_is_whole(sealed: Path) -> None:
    assert seal.untouched(sealed)
    assert seal.damage(sealed) == seal.damage(sealed, thorough=True) == ""
    sealed = sealed.rename(sealed.with_name("elsewhere"))
    assert seal.untouched(sealed)


@pytest.mark.parametrize(("file", "at"), [("tree/file", 3), ("disk", 40 << 20), ("disk", 3 << 20)])
def test_a_changed_byte_is_found_whatever_its_time_says(sealed: Path, file: str, at: int) -> None:
    rewrite(sealed / file, b"X", at)
    assert not seal.untouched(sealed)
    assert seal.damage(sealed) == f"{file} has other content"


def test_a_digest_that_is_known_is_taken_and_held_against_the_file(sealed: Path) -> None:
    seal.write(sealed, {"tree/file": hashlib.sha256(b"content").hexdigest()})
    assert seal.damage(sealed, thorough=True) == ""
    seal.write(sealed, {"tree/file": hashlib.sha256(b"Content").hexdigest()})
    assert seal.damage(sealed) == ""
    assert seal.damage(sealed, thorough=True) == "tree/file has other content"


def test_names_and_attributes_count(sealed: Path) -> None:
    (sealed / "tree/new").touch()
    (sealed / "tree/link").unlink()
    (sealed / "tree/below/empty").chmod(0o4755)
    assert seal.damage(sealed) == (
        "tree has other attributes; tree/below/empty has other attributes; tree/link is gone, "
        "and 1 more"
    )


def test_a_copy_is_whole_and_is_known_from_then_on(sealed: Path) -> None:
    copy = sealed.with_name("copy")
    shutil.copytree(sealed, copy, symlinks=True)
    assert not seal.untouched(copy)
    assert seal.damage(copy) == ""
    assert seal.untouched(copy)


def test_which_names_are_one_file_is_content(tmp_path: Path) -> None:
    for name in ("linked", "apart"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a").write_text("content")
    linked, apart = tmp_path / "linked", tmp_path / "apart"
    os.link(linked / "a", linked / "b")
    shutil.copyfile(apart / "a", apart / "b")
    for file in (linked / "a", apart / "a", apart / "b"):
        os.utime(file, ns=(0, 0))
    assert seal.write(linked) != seal.write(apart)
    copy = tmp_path / "copy"
    shutil.copytree(linked, copy)
    assert seal.damage(copy) == "a has other names beside it"
    seal.distrust(linked)
    assert seal.damage(linked) == ""


def test_a_further_name_elsewhere_is_no_content(tmp_path: Path, sealed: Path) -> None:
    before = seal.content(sealed)
    os.link(sealed / "tree/file", tmp_path / "other")
    assert seal.write(sealed) == before


def test_a_seal_that_is_damaged_or_gone_is_told(sealed: Path) -> None:
    rewrite(sealed / seal.NAME, b"X", 100)
    assert not seal.untouched(sealed)
    assert seal.damage(sealed) == "its seal is broken"
    (sealed / seal.NAME).unlink()
    assert seal.damage(sealed) == "it has no seal"


@pytest.mark.parametrize("rows", ['{"file": [1, 2]}', "no rows", '["file"]'])
def test_a_seal_of_another_layout_is_told(sealed: Path, rows: str) -> None:
    text = f"content 7\n{rows}".encode()
    given = hashlib.sha256(text).hexdigest().encode()
    (sealed / seal.NAME).write_bytes(given + b"\n" + text)
    assert seal.damage(sealed) == "its seal was written by another version"
    assert not seal.untouched(sealed)


def test_what_the_medium_forgets_is_found_by_reading(
    sealed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert seal.holds(sealed, "disk")
    rewrite(sealed / "disk", b"X", 40 << 20)
    # As if the byte had changed without a write: everything that lstat shows is as before.
    monkeypatch.setattr(seal, "_same_status", lambda row, status, several_names=False: True)
    assert seal.damage(sealed) == ""
    assert not seal.holds(sealed, "disk")
    assert seal.damage(sealed, thorough=True) == "disk has other content"


def test_what_is_not_trusted_is_read(sealed: Path) -> None:
    seal.distrust(sealed)
    assert not seal.untouched(sealed)
    assert seal.damage(sealed) == ""
    assert seal.untouched(sealed)


def test_a_file_that_got_another_name_is_looked_at_as_before_and_read_for_an_image(
    sealed: Path, tmp_path: Path
) -> None:
    digest = hashlib.sha256(b"content").hexdigest()
    seal.write(sealed, {"tree/file": digest})
    file = sealed / "tree/file"
    assert seal.Digests(sealed).of("tree/file", file.lstat()) == digest
    pass_a_tick()
    os.link(file, tmp_path / "other")
    assert seal.untouched(sealed) and seal.damage(sealed) == ""
    assert seal.Digests(sealed).of("tree/file", file.lstat()) is None
    # Who writes to it and sets its time back is found when it is read.
    rewrite(file, b"X")
    assert seal.damage(sealed, thorough=True) == "tree/file has other content"
    (tmp_path / "other").unlink()
    assert seal.damage(sealed) == "tree/file has other content"


def test_what_was_touched_since_it_was_sealed_has_a_later_time(
    sealed: Path, tmp_path: Path
) -> None:
    file, link = sealed / "tree/file", sealed / "tree/link"
    assert max(path.lstat().st_ctime_ns for path in (file, link)) <= seal.sealed_at(sealed)
    pass_a_tick()
    os.link(file, tmp_path / "other")
    assert file.lstat().st_ctime_ns > seal.sealed_at(sealed) >= link.lstat().st_ctime_ns
    seal.renew(sealed)
    assert file.lstat().st_ctime_ns <= seal.sealed_at(sealed)
    assert seal.damage(sealed) == ""
    pass_a_tick()
    rewrite(file, b"X")
    assert file.lstat().st_ctime_ns > seal.sealed_at(sealed)
    seal.renew(tmp_path)
    assert seal.sealed_at(tmp_path) == 0 and not (tmp_path / seal.NAME).exists()


def pass_a_tick() -> None:
    """Wait until change times differ: the kernel takes them from a clock of 100 to 1000 ticks a
    second.
    """
    time.sleep(0.02)
