"""A directory has of a root what one who is not root can have, and belongs to who asked for it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from image_parts import parts

from dockyard.archive import Archive, Entry, Kind
from dockyard.errors import DockyardError
from dockyard.formats import by_name
from dockyard.host import files
from dockyard.host.sandbox import Tools
from nasty_archive import nasty


def written(folder: Path, root: Archive) -> Path:
    (out,) = by_name("directory").write(parts(folder, root), folder, Tools(folder))
    return out


def test_it_has_names_contents_permissions_and_times(tmp_path: Path) -> None:
    out = written(tmp_path, nasty())
    assert out == tmp_path / "web"
    found = {os.fsencode(path.relative_to(out)): path for path in files.below(out)}
    devices = {b"dev/null", b"dev/sda", b"dev/far"}
    assert {entry.path for entry in nasty() if entry.path} - devices == set(found)
    for entry in nasty():
        if not entry.path or entry.path in devices:
            continue
        path = found[entry.path]
        told = path.lstat()
        assert (told.st_uid, told.st_gid) == (os.geteuid(), os.getegid())
        assert told.st_mtime_ns == entry.mtime_ns, path
        if entry.kind is Kind.SYMLINK:
            assert os.fsencode(path.readlink()) == entry.target
            continue
        least = 0o700 if entry.kind is Kind.DIRECTORY else 0o600
        assert stat.S_IMODE(told.st_mode) == entry.mode & 0o777 | least, path
        if entry.kind in (Kind.FILE, Kind.HARDLINK):
            assert path.read_bytes() == nasty().read(entry.path)
    names = {name for path in found.values() for name in os.listxattr(path, follow_symlinks=False)}
    assert names == {"user.binary", "user.text", "user.big", "user.empty"}
    assert os.getxattr(found[b"x/many"], "user.binary") == b"\0\xff\n=\0"
    assert found[b"h/first"].stat().st_ino == found[b"m/third"].stat().st_ino


def test_a_root_that_cannot_be_made_leaves_nothing(tmp_path: Path) -> None:
    root = Archive([Entry(b"", Kind.DIRECTORY, 0o755), Entry(b"../out", Kind.FIFO)])
    with pytest.raises(DockyardError):
        written(tmp_path, root)
    assert not (tmp_path / "web").exists() and not (tmp_path / ".web.part").exists()
