"""An image that is a directory is placed whole, and replaces nothing that is not its own."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from dockyard.engine.store import Store
from dockyard.errors import DockyardError
from dockyard.pipeline.output import image_digest, image_size, is_placed, place, require_placeable


def put(store: Store, target: Path, identity: str, text: str) -> bool:
    """Place a directory of two files."""

    def write(out: Path) -> tuple[Path, ...]:
        (out / "image/boot").mkdir(parents=True)
        (out / "image/boot/menu").write_text(text)
        (out / "image/kernel").write_bytes(b"k" * 10)
        return (out / "image",)

    require_placeable(target, (), store, directory=True)
    return place(write, identity, target, store)


def refused(store: Store, target: Path, *, directory: bool = True) -> str:
    with pytest.raises(DockyardError) as caught:
        require_placeable(target, (), store, directory=directory)
    return caught.value.problems[0].what


def test_it_is_placed_once_and_replaced_whole(tmp_path: Path) -> None:
    store, target = Store(tmp_path / "store"), tmp_path / "out/served"
    assert put(store, target, "one", "first")
    assert not put(store, target, "one", "first")
    assert is_placed("one", target, store) and not is_placed("two", target, store)
    assert put(store, target, "two", "second")
    assert (target / "boot/menu").read_text() == "second"
    assert sorted(path.name for path in target.parent.iterdir()) == ["served"]
    assert image_size(target)[0] == 16
    lines = "".join(
        f"{hashlib.sha256(data).hexdigest()}  {name}\n"
        for name, data in (("boot/menu", b"second"), ("kernel", b"k" * 10))
    )
    assert image_digest(target, store) == hashlib.sha256(lines.encode()).hexdigest()


def test_what_it_would_take_away_is_told(tmp_path: Path) -> None:
    store, target = Store(tmp_path / "store"), tmp_path / "served"
    target.mkdir()
    assert put(store, target, "one", "first")  # an empty directory is nobody's
    (target / "boot/menu").write_text("changed by hand")
    assert not is_placed("one", target, store)
    assert "not its own" in refused(store, target)
    assert "a directory" in refused(store, target, directory=False)
    (tmp_path / "file").write_text("")
    assert "would replace a file" in refused(store, tmp_path / "file")
    (tmp_path / "full").mkdir()
    (tmp_path / "full/other").write_text("")
    assert "not its own" in refused(store, tmp_path / "full")
