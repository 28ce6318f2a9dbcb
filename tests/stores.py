"""Stores for tests that share with another one what takes long to make."""

from __future__ import annotations

import shutil
from pathlib import Path


def share(store: Path, given: Path, *names: str) -> Path:
    """Make a store that shares with a given one the unpacked tools and these directories."""
    store.mkdir(exist_ok=True)
    for name in names:
        (store / name).symlink_to(given / name)
    for directory in ("results", "answers"):
        (store / directory).mkdir(exist_ok=True)
    for result in (given / "results").glob("tools-*"):
        (store / "results" / result.name).symlink_to(result)
    for answer in (given / "answers").glob("tools-*"):
        shutil.copyfile(answer, store / "answers" / answer.name)
    return store
