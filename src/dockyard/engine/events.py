"""What the engine says while it works. One renderer turns events into what a person or a program
reads. group: names steps that are told as one, such as the unpacking of each package; else empty.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from dockyard.host.stopping import Stopped


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A plan begins to run. steps: how many are to run. groups: how many of them in each group."""

    steps: int
    groups: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class StepStarted:
    """A step began to run, for a reason."""

    step: str
    title: str
    reason: str
    group: str = ""


@dataclass(frozen=True, slots=True)
class StepReused:
    """A step's result was taken from the store. reason: why, where the plan did not know it."""

    step: str
    title: str
    group: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class StepProgress:
    """How far a running step is: `done` of `total` units (total 0: unknown), and what it does
    now.
    """

    step: str
    note: str
    done: int = 0
    total: int = 0
    unit: str = ""
    group: str = ""


@dataclass(frozen=True, slots=True)
class StepFinished:
    """A step's result is in the store. seconds: wall time."""

    step: str
    title: str
    seconds: float
    group: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class StepFailed:
    """A step did not come to a result; the error that ends the run says why."""

    step: str
    title: str
    seconds: float
    group: str = ""


@dataclass(frozen=True, slots=True)
class StepStopped:
    """A step was interrupted, because this process was told to stop."""

    step: str
    title: str
    seconds: float
    group: str = ""


Event = (
    RunStarted | StepStarted | StepReused | StepProgress | StepFinished | StepFailed | StepStopped
)
Listener = Callable[[Event], None]


def unfinished(error: BaseException) -> type[StepFailed | StepStopped]:
    """The event of a step that ended with an exception."""
    return StepStopped if isinstance(error, Stopped) else StepFailed


def ignore(event: Event) -> None:
    """A listener for callers that want no events."""
