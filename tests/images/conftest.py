"""Stores for builds of the examples."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import ROOT, run_dockyard

from dockyard.engine.store import default_root


@pytest.fixture(scope="session")
def published() -> Path:
    """The store, with Harbor's repository published in it."""
    store = default_root()
    run_dockyard("distro", "build", ROOT / "distros/harbor", "--progress", "quiet")
    return store


@pytest.fixture
def fresh_store(published: Path, tmp_path: Path) -> Callable[[str], Path]:
    """Makes stores that share all but results with the real one."""

    def make(name: str) -> Path:
        store = tmp_path / name
        store.mkdir()
        for shared in ("tools", "blobs", "repositories"):
            (store / shared).symlink_to(published / shared)
        return store

    return make
