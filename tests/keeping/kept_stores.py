"""Stores with results that tests make up: who read whom, how large, when last used."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from dockyard.engine.store import Store

NOW = 1_800_000_000.0
DAY = 86400.0


def key_of(name: str) -> str:
    """A key as results have: the name, and digits."""
    return f"{name}-{name.encode().hex():0<40}"[: len(name) + 41]


def add(
    store: Store,
    name: str,
    *made_of: str,
    size: int = 4096,
    age: float = 0.0,
    step: str | None = None,
) -> str:
    """Put a result into a store; gives its key. age: seconds before NOW of its last use. step: the
    id that it answers; empty for none.
    """
    key = key_of(name)
    with store.claim(key) as out:
        assert out is not None
        (out / "data").write_bytes(os.urandom(size))
        facts = {
            "name": name,
            "kind": name.rstrip("0123456789"),
            "title": f"make {name}",
            "function": "none:none",
            "identity": {"text": name},
            "inputs": {each: key_of(each) for each in made_of},
        }
        store.publish(key, facts)
    answered = key if step is None else step
    if answered:
        store.note_key(answered, key)
        os.utime(store.root / "answers" / answered, (NOW - age, NOW - age))
    return key


def note_plan(store: Store, record: str, steps: Mapping[str, str]) -> None:
    """Keep a plan. steps: ids by names."""
    store.keep_record(record, {name: {"id": each} for name, each in steps.items()})


def there(store: Store) -> set[str]:
    """The names of the results that a store has."""
    return {key.rpartition("-")[0] for key in store.result_keys()}


def files_of(place: Path) -> dict[str, bytes]:
    """What the files below a directory hold."""
    return {
        str(path.relative_to(place)): path.read_bytes()
        for path in place.rglob("*")
        if path.is_file() and not path.is_symlink() and path.name != ".seal"
    }
