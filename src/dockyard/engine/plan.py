"""Plans: what would be done, in which order, and why.

Planning looks only at the store's contents and at the record of the last plan; it changes nothing.
Steps that no running step needs are not run, even when their results have gone from the store.

A step is answered, not run, when the store has a result that was made from inputs with the same
content. Where an input is still to be made, its content is not known before: then the plan says
that the step runs unless its inputs come out as they were, and running it shows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from dockyard.engine.differences import differences
from dockyard.engine.step import Step

_ANSWERED = "its inputs were made again, and have the content that they had"
_UNLESS = "unless that comes out as it was"


class Results(Protocol):
    """What planning asks of a store."""

    def answer(self, step: Step) -> str | None:
        """The name of the result that a step has, or None."""

    def content(self, key: str) -> str | None:
        """The digest of the content of the result of this name; None where there is none."""


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
    own = {step.id: "" if step.id in damaged else results.answer(step) or "" for step in steps}
    answers = _answers(steps, own, results, damaged)
    needed = {step.id for step in goals}
    for step in reversed(steps):
        if step.id in needed and not answers[step.id]:
            needed.update(below.id for below in step.needs)
    decisions = []
    for step in steps:
        if key := answers[step.id]:
            reason = "nothing that shapes it has changed" if own[step.id] else _ANSWERED
            decisions.append(Decision(step, Action.REUSE, reason, key))
        elif step.id not in needed:
            decisions.append(Decision(step, Action.SKIP, "no step that runs needs it"))
        elif words := damaged.get(step.id):
            decisions.append(Decision(step, Action.RUN, f"its result was damaged: {words}"))
        else:
            decisions.append(_to_run(step, last, answers))
    return Plan(tuple(decisions))


def _answers(
    steps: Iterable[Step],
    own: Mapping[str, str],
    results: Results,
    damaged: Mapping[str, str],
) -> dict[str, str]:
    """For each step the name of the result that answers it; empty where there is none so far. own:
    those that are noted for the very step.
    """
    found = dict(own)
    for step in steps:
        known_so_far = all(found[each.id] for each in step.inputs)
        if found[step.id] or step.id in damaged or not known_so_far:
            continue
        contents = {each.name: results.content(found[each.id]) for each in step.inputs}
        known = {name: digest for name, digest in contents.items() if digest}
        if len(known) == len(contents):
            key = step.key(known)
            found[step.id] = key if results.content(key) else ""
    return found


def _to_run(step: Step, last: Mapping[str, Any], answers: Mapping[str, str]) -> Decision:
    before = last.get(step.name)
    if not isinstance(before, dict):
        return Decision(step, Action.RUN, "it has not been made before")
    if changes := _changes(step, before):
        more = f", and {len(changes) - 3} more" if len(changes) > 3 else ""
        return Decision(step, Action.RUN, "; ".join(changes[:3]) + more)
    inputs = before.get("inputs", {})
    moved = [each for each in step.inputs if inputs.get(each.name) != each.id]
    if not moved:
        return Decision(step, Action.RUN, "its result is no longer in the store")
    # Those that run say why in their own line.
    told = [each.name + (_how(each, last) if answers[each.id] else "") for each in moved[:3]]
    more = f" and {len(moved) - 3} more" if len(moved) > 3 else ""
    reason = f"its input changed: {', '.join(told)}{more}"
    if any(not answers[each.id] for each in moved):
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
