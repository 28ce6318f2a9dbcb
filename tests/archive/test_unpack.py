"""A tree is made inside its directory, whatever paths an archive has."""

from __future__ import annotations

from pathlib import Path

import pytest

from dockyard.archive import Archive, Entry, Kind, joined, unpack
from dockyard.errors import DockyardError
from dockyard.host.files import make_root

ROOT = Entry(b"", Kind.DIRECTORY, 0o755)


def outside(path: Path) -> Archive:
    """One that would be made through a link, were that followed."""
    link = Entry(b"out", Kind.SYMLINK, target=bytes(path))
    return joined(Archive([ROOT, link]), b"out/x", Archive([ROOT]))


@pytest.mark.parametrize("reverse", [False, True])
def test_nothing_is_made_through_a_link(namespace: None, tmp_path: Path, reverse: bool) -> None:
    victim, tree = tmp_path / "victim", tmp_path / "tree"
    victim.mkdir()
    make_root(tree)
    with pytest.raises(DockyardError, match="could not be made"):
        unpack(outside(victim), tree, reverse=reverse)
    assert not any(victim.iterdir())


@pytest.mark.parametrize("path", [b"..", b"../victim", b".", b"a/../../victim", b"no/where"])
def test_nothing_is_made_outside(namespace: None, tmp_path: Path, path: bytes) -> None:
    tree = tmp_path / "tree"
    make_root(tree)
    archive = Archive([ROOT, Entry(b"a", Kind.DIRECTORY), Entry(path, Kind.DIRECTORY)])
    with pytest.raises(DockyardError, match="could not be made"):
        unpack(archive, tree)
    assert [each.name for each in tmp_path.iterdir()] == ["tree"]
