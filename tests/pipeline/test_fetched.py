"""Where packages are, as the result of a step notes it."""

from __future__ import annotations

from pathlib import Path

from dockyard.pipeline.fetched import Fetched


def test_what_is_in_the_store_is_noted_without_its_place_and_nothing_else_is(
    tmp_path: Path,
) -> None:
    store, outside = tmp_path / "store", Path("/srv/packages/b.rpm")
    Fetched({"a": store / "blobs/a", "b": outside}, {}).save(tmp_path, store)
    text = (tmp_path / "packages.json").read_text()
    assert str(tmp_path) not in text and "/srv" not in text
    moved = tmp_path / "moved"
    assert Fetched.load(tmp_path, moved).files == {"a": moved / "blobs/a"}
