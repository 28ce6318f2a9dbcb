"""Shows what is fetched and unpacked as the progress of one step."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dockyard.engine.events import Listener
    from dockyard.tools.trees import ToolsProgress


@contextmanager
def step(listener: Listener, title: str, reason: str) -> Iterator[ToolsProgress]:
    """One step of fetching and unpacking: shows how much of it is there."""
    from dockyard.engine.events import StepFailed, StepFinished, StepProgress, StepStarted
    from dockyard.host.clock import monotonic
    from dockyard.packages.fetch import FetchEvent, FetchState
    from dockyard.tools.trees import Unpacked

    began = monotonic()
    lock = threading.Lock()
    received: dict[str, int] = {}
    sizes: dict[str, int] = {}

    def tell(event: FetchEvent | Unpacked) -> None:
        if isinstance(event, Unpacked):
            note = f"unpacking {event.label}"
            listener(StepProgress(title, note, event.done, event.total, "packages"))
            return
        with lock:
            digest = event.wanted.digest
            sizes[digest] = event.wanted.size
            received[digest] = event.received
            done, total = sum(received.values()), sum(sizes.values())
        if event.state is FetchState.RETRIED:
            note = f"{event.wanted.label}: trying again, {event.note}"
        else:
            verb = "fetched" if event.state is FetchState.DONE else "fetching"
            note = f"{verb} {event.wanted.label}"
        listener(StepProgress(title, note, done, total, "bytes"))

    listener(StepStarted(title, title, reason))
    try:
        yield tell
    except BaseException:
        listener(StepFailed(title, title, monotonic() - began))
        raise
    listener(StepFinished(title, title, monotonic() - began))
