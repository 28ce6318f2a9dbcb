"""Tells of all files of a fetch together: how much of them is there, and what happens now."""

from __future__ import annotations

import threading
from collections.abc import Callable

from dockyard.packages.fetch import FetchEvent, FetchState


class Fetching:
    """A `fetch.Progress` that adds up. told: gets a note, bytes that are there, bytes in all, and
    the unit `bytes`.
    """

    def __init__(self, told: Callable[[str, int, int, str], None]) -> None:
        self._told = told
        self._lock = threading.Lock()
        self._received: dict[str, int] = {}
        self._sizes: dict[str, int] = {}

    def __call__(self, event: FetchEvent) -> None:
        with self._lock:
            digest = event.wanted.digest
            self._sizes[digest] = event.wanted.size
            self._received[digest] = event.received
            done, total = sum(self._received.values()), sum(self._sizes.values())
        if event.state is FetchState.RETRIED:
            note = f"{event.wanted.label}: trying again, {event.note}"
        else:
            verb = "fetched" if event.state is FetchState.DONE else "fetching"
            note = f"{verb} {event.wanted.label}"
        self._told(note, done, total, "bytes")
