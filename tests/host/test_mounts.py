"""Mounts of a block: they are there inside it, gone after it, and show the layers rightly."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dockyard.errors import DockyardError
from dockyard.host import mounts

pytestmark = pytest.mark.usefixtures("namespace")


def test_a_tmpfs_is_gone_after_the_block(tmp_path: Path) -> None:
    with mounts.tmpfs(tmp_path, size=1 << 20) as at:
        assert os.statvfs(at).f_blocks * os.statvfs(at).f_frsize == 1 << 20
        (at / "file").write_text("x")
    assert list(tmp_path.iterdir()) == []


def test_an_overlay_takes_the_changes_into_its_upper_directory(tmp_path: Path) -> None:
    # Names that mean something to the kernel's option parser are part of the test.
    lower, above = tmp_path / "lower:1", tmp_path / "above,x=y"
    upper, work, at = (tmp_path / name for name in ("upper", "work", "at"))
    for directory in (lower, above, upper, work, at):
        directory.mkdir()
    (lower / "kept").write_text("lower")
    (lower / "gone").write_text("lower")
    (lower / "changed").write_text("lower")
    (above / "changed").write_text("above")
    with mounts.overlay([above, lower], upper, work, at, volatile=True):
        assert (at / "changed").read_text() == "above"
        (at / "gone").unlink()
        (at / "changed").write_text("upper")
    assert (upper / "changed").read_text() == "upper"
    assert (upper / "gone").stat().st_rdev == 0
    assert (lower / "gone").read_text() == "lower"
    assert not any(at.iterdir())


def test_an_overlay_without_upper_is_read_only(tmp_path: Path) -> None:
    for name in ("a", "b", "at"):
        (tmp_path / name).mkdir()
    (tmp_path / "b" / "file").write_text("b")
    with mounts.overlay([tmp_path / "a", tmp_path / "b"], None, None, tmp_path / "at") as at:
        assert (at / "file").read_text() == "b"
        with pytest.raises(OSError, match="Read-only"):
            (at / "new").write_text("x")


def test_a_mount_that_fails_is_a_problem_with_the_place(tmp_path: Path) -> None:
    with pytest.raises(DockyardError) as caught, mounts.tmpfs(tmp_path / "missing"):
        pass
    assert caught.value.problems[0].code == "host.mount-failed"
    assert "missing" in str(caught.value.problems[0].where)
