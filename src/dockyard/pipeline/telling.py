"""Tells of work that is no step as of one: the writing of an image."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from dockyard.engine.events import Listener, StepFinished, StepStarted, unfinished
from dockyard.host import clock

T = TypeVar("T")


def told(listener: Listener, identity: str, title: str, reason: str, work: Callable[[], T]) -> T:
    """Do work that is no step, and tell of it as of a step."""
    listener(StepStarted(identity, title, reason))
    began = clock.monotonic()
    try:
        made = work()
    except BaseException as error:
        listener(unfinished(error)(identity, title, clock.monotonic() - began))
        raise
    listener(StepFinished(identity, title, clock.monotonic() - began))
    return made
