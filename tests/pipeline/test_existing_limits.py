"""What of an image its new file systems cannot hold is told before any work, with every path."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from test_new_layout import CONFIG, GUIDS
from test_room import partition, source

from dockyard.archive import Archive, Entry, Kind
from dockyard.archive.flags import XATTR_FLAGS
from dockyard.config import load_image
from dockyard.errors import Problem, Severity
from dockyard.inspection.tree import Mounted, Tree
from dockyard.model.base import MIB
from dockyard.pipeline.existing_layout import layout_of
from dockyard.pipeline.existing_limits import unheld_problems
from dockyard.pipeline.existing_storage import read_storage
from dockyard.tree.additional import AdditionalFileSetting

EMPTY = ((b"user.empty", b""),)


def tree() -> Tree:
    """Two files with an attribute without a value, a time before 1970, and what is covered."""
    root = [
        Entry(b"", Kind.DIRECTORY, 0o755),
        Entry(b"etc", Kind.DIRECTORY, 0o755),
        Entry(b"etc/a", Kind.FILE, 0o644, xattrs=EMPTY),
        Entry(b"etc/old", Kind.FILE, 0o644, mtime_ns=-1_500_000_000),
        Entry(b"etc/second", Kind.FILE, 0o644, mtime_ns=-2_000_000_000),
        Entry(b"etc/flags", Kind.FILE, 0o644, xattrs=((XATTR_FLAGS, b"i"),)),
        Entry(b"home", Kind.DIRECTORY, 0o755),
        Entry(b"home/covered", Kind.FILE, 0o644, xattrs=EMPTY),
    ]
    home = [Entry(b"", Kind.DIRECTORY, 0o755), Entry(b"b", Kind.FILE, 0o644, xattrs=EMPTY)]
    return Tree([Mounted(b"", Archive(root)), Mounted(b"home", Archive(home))])


def told(kind: str, *, scripts: bool = False, mounts: tuple[str, ...] = ("/",)) -> list[Problem]:
    parts = [partition(number, at, 900 * MIB) for number, at in enumerate(mounts, 1)]
    image = source(replace(parts[0], module=kind), *parts[1:])
    image = replace(image, storage=read_storage(tree()))
    return list(unheld_problems(image, layout_of(image), (), scripts=scripts))


def test_each_limit_is_told_with_all_paths() -> None:
    [xfs] = told("xfs")
    assert xfs.code == "filesystems.empty-xattr" and xfs.severity is Severity.ERROR
    assert xfs.excerpt == ("/etc/a: user.empty", "/home/b: user.empty")
    [erofs] = told("erofs")
    assert (erofs.code, erofs.where) == ("filesystems.time", "/etc/old")
    assert told("ext4") == []


def test_what_goes_into_another_file_system_is_no_matter() -> None:
    [xfs] = told("xfs", mounts=("/", "/home"))
    assert xfs.excerpt == ("/etc/a: user.empty",)
    assert told("xfs", mounts=("/srv", "/")) == []


@pytest.mark.parametrize("scripts", [False, True])
def test_a_script_may_take_it_away(scripts: bool) -> None:
    [problem] = told("xfs", scripts=scripts)
    assert (problem.severity is Severity.WARNING) is scripts is ("unless" in problem.why)


def test_what_a_file_replaces_is_not_told() -> None:
    image = source(replace(partition(1, "/", 900 * MIB), module="erofs", guid=GUIDS[1]))
    image = replace(image, storage=read_storage(tree()))
    new = AdditionalFileSetting("/etc/old", content="new")
    assert list(unheld_problems(image, layout_of(image), [new], scripts=False)) == []


def test_a_new_disk_counts(tmp_path: Path) -> None:
    from dockyard.pipeline.new_layout import new_layout

    path = tmp_path / "config.yaml"
    path.write_text(CONFIG.replace("ROOT", "1G").replace("type: ext4", "type: xfs"))
    image = replace(source(), storage=read_storage(tree()))
    loaded = load_image(path)
    [problem] = unheld_problems(image, new_layout(loaded, image), (), scripts=False)
    assert "/etc/a: user.empty" in problem.excerpt
