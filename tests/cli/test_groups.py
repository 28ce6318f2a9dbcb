"""Steps of a group are told as one step, with how many of them are done."""

from __future__ import annotations

from itertools import count

import pytest

from dockyard.cli.groups import Grouped
from dockyard.engine import events
from dockyard.host import clock

GROUP = "Unpack packages"


def started(name: str) -> events.StepStarted:
    return events.StepStarted(name, f"Unpack {name}", "it is new", GROUP)


@pytest.fixture(autouse=True)
def ticking(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that a second passes of whenever it is looked at."""
    seconds = count(100)
    monkeypatch.setattr(clock, "monotonic", lambda: float(next(seconds)))


def test_a_group_begins_and_ends_once() -> None:
    seen: list[events.Event] = []
    told = Grouped(seen.append)
    told(events.RunStarted(3, {GROUP: 2}))
    told(events.StepStarted("disk", "Disk", "why"))
    told(started("a"))
    told(started("b"))
    told(events.StepFinished("a", "Unpack a", 7.0, GROUP))
    told(events.StepReused("b", "Unpack b", GROUP, "it came out as it was"))
    told(events.StepFinished("disk", "Disk", 2.0))
    assert [type(each).__name__ for each in seen] == [
        *("RunStarted", "StepStarted", "StepStarted", "StepProgress", "StepProgress"),
        *("StepFinished", "StepFinished"),
    ]
    assert seen[2] == events.StepStarted(GROUP, "Unpack packages (2)", "")
    assert seen[-2] == events.StepFinished(GROUP, "Unpack packages (2)", 1.0)


def test_a_group_whose_steps_are_all_answered_is_reused() -> None:
    seen: list[events.Event] = []
    told = Grouped(seen.append)
    told(events.RunStarted(1, {GROUP: 1}))
    told(events.StepReused("a", "Unpack a", GROUP, "it came out as it was"))
    assert seen[1:] == [events.StepReused(GROUP, "Unpack packages (1)")]


def test_what_fails_in_a_group_is_named_once() -> None:
    seen: list[events.Event] = []
    told = Grouped(seen.append)
    told(events.RunStarted(2, {GROUP: 2}))
    for name in ("a", "b"):
        told(started(name))
        told(events.StepFailed(name, f"Unpack {name}", 1.0, GROUP))
    failed = [each for each in seen if isinstance(each, events.StepFailed)]
    assert [each.title for each in failed] == ["Unpack packages (2): Unpack a"]


def test_what_is_interrupted_in_a_group_is_told_once_and_is_no_failure() -> None:
    seen: list[events.Event] = []
    told = Grouped(seen.append)
    told(events.RunStarted(2, {GROUP: 2}))
    for name in ("a", "b"):
        told(started(name))
    for name in ("a", "b"):
        told(events.StepStopped(name, f"Unpack {name}", 1.0, GROUP))
    assert seen[-1] == events.StepStopped(GROUP, "Unpack packages (2)", 1.0)
    assert not any(isinstance(each, events.StepFailed) for each in seen)
