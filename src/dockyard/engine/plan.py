"""Plans: what would be done, in which order, and why.

Planning looks only at the store's contents and at the record of the last plan; it changes nothing.
Steps that no running step needs are neither run nor looked for in the store.

A step is answered, not run, when the store has a result that was made from inputs with the same
content. Where an input is still to be made, its content is not known before: then the plan says
that the step runs unless its inputs come out as they were, and running it shows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

from dockyard.engine.differences import differences
from dockyard.engine.step import Step

_UNCHANGED = "nothing that shapes it has changed"
_ANSWERED = "its inputs were made again, and have the content that they had"
_UNLESS = "unless that comes out as it was"


class Results(Protocol):
    """What planning asks of a store."""

    def answer(self, step: Step) -> str | None:
        """The name of the result that a step has, or None."""

    def content(self, key: str) -> str | None:
        """The digest of the content of the result of this name; None where there is none."""


class _Answer(NamedTuple):
    """The name of the result that a step has, and why it is that; empty where there is none."""

    key: str
    reason: str


_NONE = _Answer("", "")


class Action(StrEnum):
    """What a plan does with a step."""

    RUN = "run"
    REUSE = "reuse"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class Decision:
    """A step, what is done with it, and why. key: the name of the result that is used; empty where
    one is to be made. unless_same: it is answered where its inputs come out as they were.
    """

    step: Step
    action: Action
    reason: str
    key: str = ""
    unless_same: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """Decisions in an order in which every step comes after what it needs."""

    decisions: tuple[Decision, ...]

    @property
    def to_run(self) -> tuple[Step, ...]:
        return tuple(d.step for d in self.decisions if d.action is Action.RUN)

    def relied_on(self, wanted: Iterable[Step]) -> tuple[Step, ...]:
        """The steps whose results are taken as they are: by steps that run, or as wanted."""
        relied = {step.id for step in wanted}
        relied.update(each.id for step in self.to_run for each in step.needs)
        reused = (d.step for d in self.decisions if d.action is Action.REUSE)
        return tuple(step for step in reused if step.id in relied)

    @property
    def record(self) -> dict[str, Any]:
        """What to keep of this plan, so that the next one can say what changed."""
        return {d.step.name: d.step.record for d in self.decisions}


def in_order(goals: Iterable[Step]) -> tuple[Step, ...]:
    """Goals and all that they need, inputs first; the order depends on nothing but the steps."""
    ordered: dict[str, Step] = {}

    def visit(step: Step) -> None:
        if step.id in ordered:
            return
        for needed in step.needs:
            visit(needed)
        ordered[step.id] = step

    for goal in goals:
        visit(goal)
    return tuple(ordered.values())


def make_plan(
    goals: Sequence[Step],
    results: Results,
    last: Mapping[str, Any],
    *,
    damaged: Mapping[str, str] | None = None,
) -> Plan:
    """Decide for the steps whose results are wanted, and all below them, whether they run.

    last: the `record` of the plan before, for the reasons. damaged: by step id, what is wrong with
    results that are not to be used.
    """
    damaged = damaged or {}
    steps = in_order(goals)
    answers = _answers(goals, results, damaged)
    needed = {step.id for step in goals}
    for step in reversed(steps):
        if step.id in needed and not answers[step.id].key:
            needed.update(below.id for below in step.needs)
    decisions = []
    for step in steps:
        answer = answers.get(step.id, _NONE)
        if answer.key:
            decisions.append(Decision(step, Action.REUSE, answer.reason, answer.key))
        elif step.id not in needed:
            decisions.append(Decision(step, Action.SKIP, "no step that runs needs it"))
        elif words := damaged.get(step.id):
            decisions.append(Decision(step, Action.RUN, f"its result was damaged: {words}"))
        else:
            decisions.append(_to_run(step, last, answers))
    return Plan(tuple(decisions))


def _answers(
    goals: Iterable[Step], results: Results, damaged: Mapping[str, str]
) -> dict[str, _Answer]:
    """What answers goals and, where nothing does, the steps that they need; by the steps' ids."""
    found: dict[str, _Answer] = {}

    def look(step: Step) -> None:
        if step.id in found:
            return
        if step.id not in damaged and (key := results.answer(step)):
            found[step.id] = _Answer(key, _UNCHANGED)
            return
        for needed in step.needs:
            look(needed)
        key = "" if step.id in damaged else _by_content(step, found, results)
        found[step.id] = _Answer(key, _ANSWERED) if key else _NONE

    for goal in goals:
        look(goal)
    return found


def _by_content(step: Step, answers: Mapping[str, _Answer], results: Results) -> str:
    """The name of the result that was made of inputs of the same content; empty where there is
    none, or not yet.
    """
    contents: dict[str, str] = {}
    for each in step.inputs:
        key = answers[each.id].key
        content = results.content(key) if key else None
        if content is None:
            return ""
        contents[each.name] = content
    key = step.key(contents)
    return key if results.content(key) else ""


def _to_run(step: Step, last: Mapping[str, Any], answers: Mapping[str, _Answer]) -> Decision:
    before = last.get(step.name)
    if not isinstance(before, dict):
        return Decision(step, Action.RUN, "it has not been made before")
    if step.because:
        return Decision(step, Action.RUN, step.because)
    if changes := _changes(step, before):
        more = f", and {len(changes) - 3} more" if len(changes) > 3 else ""
        return Decision(step, Action.RUN, "; ".join(changes[:3]) + more)
    inputs = before.get("inputs", {})
    moved = [each for each in step.inputs if inputs.get(each.name) != each.id]
    if not moved:
        gone = sorted(inputs.keys() - {each.name for each in step.inputs})
        if gone:
            return Decision(step, Action.RUN, f"it is made without {', '.join(gone)} now")
        return Decision(step, Action.RUN, "its result is no longer in the store")
    # Those that run say why in their own line.
    told = [each.name + (_how(each, last) if answers[each.id].key else "") for each in moved[:3]]
    more = f" and {len(moved) - 3} more" if len(moved) > 3 else ""
    reason = f"its input changed: {', '.join(told)}{more}"
    if any(not answers[each.id].key for each in moved):
        return Decision(step, Action.RUN, f"{reason}; {_UNLESS}", unless_same=True)
    return Decision(step, Action.RUN, reason)


def _how(step: Step, last: Mapping[str, Any]) -> str:
    """What changed in a step since the last plan, in brackets; empty where that does not say."""
    before = last.get(step.name)
    changes = _changes(step, before) if isinstance(before, dict) else []
    return f" ({'; '.join(changes[:3])})" if changes else ""


def _changes(step: Step, before: Mapping[str, Any]) -> list[str]:
    changes = list(differences(before.get("identity", {}), step.record["identity"]))
    if before.get("code") != step.record["code"]:
        changes.append("Dockyard's code that makes it changed")
    return changes
