"""Steps and plans: what would be done, in which order, and why.

A step is named by its id: the hash of its kind, of everything that shapes its output, and of the
ids of the steps whose results it reads. Planning looks only at the store's contents and at the
record of the last plan; it changes nothing. Steps that no running step needs are not run, even
when their results have gone from the store.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol


class Work(Protocol):
    """What a step gets when it runs."""

    @property
    def out(self) -> Path:
        """The empty directory to fill; it becomes the result as it is."""

    def result(self, step: Step) -> Path:
        """The result directory of one of the step's inputs."""

    def digested(self, digests: Mapping[str, str]) -> None:
        """Tell the SHA-256, in hex, of files below `out` by path, so that none is read twice."""

    def progress(self, note: str, done: int = 0, total: int = 0, unit: str = "") -> None:
        """Say how far the step is."""


# Keys that say what a mapping in a list is about.
_NAMING = ("file", "directory", "user", "group", "service", "module", "script", "name")


@dataclass(frozen=True)
class Step:
    """One piece of work with one result.

    kind: what sort of step it is, unique in a plan. title: one line for people. identity: all that
    shapes the output beside the inputs, as JSON values; a key that changes is named in the reason.
    details: lines for `plan`. place: where the result is when another room keeps it; then `work`
    makes it there, whole or not at all, and its work directory is thrown away.
    """

    kind: str
    title: str
    identity: Mapping[str, Any]
    inputs: tuple[Step, ...]
    work: Callable[[Work], None] = field(repr=False, compare=False)
    details: tuple[str, ...] = ()
    place: Path | None = None

    @cached_property
    def id(self) -> str:
        """The step's id: `<kind>-<40 hexadecimal digits of SHA-256>`."""
        shaped = {
            "kind": self.kind,
            "identity": self.identity,
            "inputs": [step.id for step in self.inputs],
        }
        text = json.dumps(shaped, sort_keys=True, separators=(",", ":"))
        return f"{self.kind}-{hashlib.sha256(text.encode()).hexdigest()[:40]}"

    @cached_property
    def published_identity(self) -> dict[str, Any]:
        """The identity with the ids of the inputs, as the store keeps it."""
        return {"identity": dict(self.identity), "inputs": {s.kind: s.id for s in self.inputs}}


class Action(StrEnum):
    """What a plan does with a step."""

    RUN = "run"
    REUSE = "reuse"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class Decision:
    """A step, what is done with it, and why."""

    step: Step
    action: Action
    reason: str


@dataclass(frozen=True, slots=True)
class Plan:
    """Decisions in an order in which every step comes after its inputs. The last is the goal."""

    decisions: tuple[Decision, ...]

    @property
    def to_run(self) -> tuple[Step, ...]:
        return tuple(d.step for d in self.decisions if d.action is Action.RUN)

    def relied_on(self, wanted: Collection[Step]) -> tuple[Step, ...]:
        """The steps whose results are taken as they are: by steps that run, or as wanted."""
        relied = {step.id for step in wanted}
        relied.update(each.id for step in self.to_run for each in step.inputs)
        reused = (d.step for d in self.decisions if d.action is Action.REUSE)
        return tuple(step for step in reused if step.id in relied)

    @property
    def record(self) -> dict[str, Any]:
        """What to keep of this plan, so that the next one can say what changed."""
        return {d.step.kind: d.step.published_identity for d in self.decisions}


def in_order(goal: Step) -> tuple[Step, ...]:
    """A goal and all that it needs, inputs first; the order depends on nothing but the steps."""
    ordered: dict[str, Step] = {}

    def visit(step: Step) -> None:
        if step.id in ordered:
            return
        for needed in step.inputs:
            visit(needed)
        ordered[step.id] = step

    visit(goal)
    return tuple(ordered.values())


def make_plan(
    goal: Step,
    has: Callable[[Step], bool],
    last: Mapping[str, Any],
    *,
    wanted: Collection[Step] = (),
    damaged: Mapping[str, str] | None = None,
) -> Plan:
    """Decide for every step below a goal whether it runs.

    has: whether the store holds a step's result. last: the `record` of the plan before, for the
    reasons. wanted: steps whose results are wanted beside the goal's. damaged: by step id, what is
    wrong with results that are not to be used.
    """
    damaged = damaged or {}
    steps = in_order(goal)
    present = {step.id: step.id not in damaged and has(step) for step in steps}
    needed = {goal.id, *(step.id for step in wanted)}
    for step in reversed(steps):
        if step.id in needed and not present[step.id]:
            needed.update(below.id for below in step.inputs)
    decisions = []
    for step in steps:
        if present[step.id]:
            decisions.append(Decision(step, Action.REUSE, "nothing that shapes it has changed"))
        elif step.id not in needed:
            decisions.append(Decision(step, Action.SKIP, "no step that runs needs it"))
        else:
            words = damaged.get(step.id)
            reason = f"its result was damaged: {words}" if words else _reason(step, last, present)
            decisions.append(Decision(step, Action.RUN, reason))
    return Plan(tuple(decisions))


def _reason(step: Step, last: Mapping[str, Any], present: Mapping[str, bool]) -> str:
    before = last.get(step.kind)
    if not isinstance(before, dict):
        return "it has not been made before"
    if changes := _changes(step, before):
        more = f", and {len(changes) - 3} more" if len(changes) > 3 else ""
        return "; ".join(changes[:3]) + more
    inputs = before.get("inputs", {})
    moved = [s for s in step.inputs if inputs.get(s.kind) != s.id]
    if moved:
        # Those that run say why in their own line.
        told = [s.kind + (_how(s, last) if present[s.id] else "") for s in moved]
        return f"its input changed: {', '.join(told)}"
    return "its result is no longer in the store"


def _how(step: Step, last: Mapping[str, Any]) -> str:
    """What changed in a step since the last plan, in brackets; empty where that does not say."""
    before = last.get(step.kind)
    changes = _changes(step, before) if isinstance(before, dict) else []
    return f" ({'; '.join(changes[:3])})" if changes else ""


def _changes(step: Step, before: Mapping[str, Any]) -> list[str]:
    return list(differences(before.get("identity", {}), step.published_identity["identity"]))


def differences(before: Any, after: Any, where: str = "") -> Iterator[str]:
    """Say in words what differs between two JSON values."""
    if before == after:
        return
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in sorted({*before, *after}):
            path = f"{where}.{key}" if where else str(key)
            if key not in before:
                yield f"{path} was added"
            elif key not in after:
                yield f"{path} was removed"
            else:
                yield from differences(before[key], after[key], path)
    elif (old := _by_name(before)) is not None and (new := _by_name(after)) is not None:
        for name in sorted({*old, *new}):
            if name not in old:
                yield f"{name} was added"
            elif name not in new:
                yield f"{name} was removed"
            elif old[name] != new[name]:
                yield f"{name} changed"
        if old == new:
            yield f"{where}: the order changed"
    elif _is_list(before) and _is_list(after):
        gone = [item for item in before if item not in after]
        come = [item for item in after if item not in before]
        yield from (f"{where}: {_short(item)} was removed" for item in gone)
        yield from (f"{where}: {_short(item)} was added" for item in come)
        if not gone and not come:
            yield f"{where}: the order changed"
    elif _is_digest(before) and _is_digest(after):
        yield f"{where} has other content"
    else:
        yield f"{where} was {_short(before)}, is {_short(after)}"


def _by_name(value: Any) -> dict[str, Any] | None:
    """A list of mappings by what each is about, such as `file /etc/motd`; None for another value,
    or where two are about the same.
    """
    if not _is_list(value) or not all(isinstance(item, Mapping) and item for item in value):
        return None
    named = {}
    for item in value:
        about = [f"{key} {item[key]}" for key in _NAMING if isinstance(item.get(key), str)]
        if not about and len(item) > 1:
            return None
        named[about[0] if about else next(iter(item))] = item
    return named if len(named) == len(value) else None


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _is_digest(value: Any) -> bool:
    return isinstance(value, str) and value.startswith("sha256:")


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    return text if len(text) <= 60 else f"{text[:57]}…"
