"""Shows what is fetched, and other work that no plan has, as the progress of one step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dockyard.engine.events import Listener
    from dockyard.packages.fetch import Progress


@contextmanager
def step(listener: Listener, title: str, reason: str) -> Iterator[Progress]:
    """One step of fetching: shows how much of it is there."""
    from dockyard.packages.fetching import Fetching

    with told_step(listener, title, reason) as told:
        yield Fetching(told)


@contextmanager
def told_step(
    listener: Listener, title: str, reason: str
) -> Iterator[Callable[[str, int, int, str], None]]:
    """One step of work that is none of a plan. Gives what tells how far it is: a note, how much is
    done, of how much, and the unit.
    """
    from dockyard.engine.events import StepFinished, StepProgress, StepStarted, unfinished
    from dockyard.host.clock import monotonic

    began = monotonic()
    listener(StepStarted(title, title, reason))
    try:
        yield lambda *said: listener(StepProgress(title, *said))
    except BaseException as error:
        listener(unfinished(error)(title, title, monotonic() - began))
        raise
    listener(StepFinished(title, title, monotonic() - began))
