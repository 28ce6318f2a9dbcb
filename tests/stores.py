"""Stores for tests that share with another one what takes long to make."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path


def share(store: Path, given: Path, *names: str, kinds: Sequence[str] = ("tools",)) -> Path:
    """Make a store that shares with a given one these directories, and the results of steps of
    some kinds: of that which unpacks the tools.
    """
    store.mkdir(exist_ok=True)
    for name in names:
        (store / name).symlink_to(given / name)
    for directory in ("results", "answers"):
        (store / directory).mkdir(exist_ok=True)
    for kind in kinds:
        for result in (given / "results").glob(f"{kind}-*"):
            (store / "results" / result.name).symlink_to(result)
        for answer in (given / "answers").glob(f"{kind}-*"):
            shutil.copyfile(answer, store / "answers" / answer.name)
    return store
