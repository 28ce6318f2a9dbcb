"""Shows what is fetched as the progress of one step."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dockyard.engine.events import Listener
    from dockyard.packages.fetch import Progress


@contextmanager
def step(listener: Listener, title: str, reason: str) -> Iterator[Progress]:
    """One step of fetching: shows how much of it is there."""
    from dockyard.engine.events import StepFailed, StepFinished, StepProgress, StepStarted
    from dockyard.host.clock import monotonic
    from dockyard.packages.fetching import Fetching

    began = monotonic()
    listener(StepStarted(title, title, reason))
    try:
        yield Fetching(lambda *said: listener(StepProgress(title, *said)))
    except BaseException:
        listener(StepFailed(title, title, monotonic() - began))
        raise
    listener(StepFinished(title, title, monotonic() - began))
