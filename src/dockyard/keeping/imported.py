"""What was imported and not used yet: it belongs to nobody until a build takes it, and is kept for
that build.

    <store>/records/imported.json    the results that imports brought or found: key -> when, in
                                     seconds since 1970
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from dockyard.engine.store import Store
from dockyard.host import clock

DAYS = 14
"""How many days what was imported is kept for its first use."""

_RECORD = "imported"


def note_imported(store: Store, keys: Iterable[str]) -> None:
    """Note that results were imported now, after their answers were noted."""
    now = clock.now()
    with store.exclusive(_RECORD):
        noted = {key: when for key, when in _noted(store).items() if _end(when) > now}
        store.keep_record(_RECORD, {**noted, **dict.fromkeys(keys, now)})


def imported(store: Store, used: Mapping[str, float]) -> dict[str, float]:
    """The imported results that were not used since, by key, and until when each is kept. used:
    when each result was last used itself; times are in seconds since 1970.
    """
    now = clock.now()
    return {
        key: _end(when)
        for key, when in _noted(store).items()
        if _end(when) > now and used.get(key, now) <= when
    }


def _noted(store: Store) -> dict[str, float]:
    record = store.record(_RECORD)
    return {key: when for key, when in record.items() if isinstance(when, int | float)}


def _end(when: float) -> float:
    return when + DAYS * 86400.0
