"""Runs a plan: independent steps side by side, every result published whole, failures told
together.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager

from dockyard.engine.events import (
    Listener,
    RunStarted,
    StepFailed,
    StepFinished,
    StepProgress,
    StepReused,
    StepStarted,
)
from dockyard.engine.executors import Executors
from dockyard.engine.plan import Action, Decision, Plan
from dockyard.engine.step import Step
from dockyard.engine.store import Store
from dockyard.engine.work import Work
from dockyard.errors import DockyardError
from dockyard.host import clock, stopping
from dockyard.host.storage import store_trouble_told

_AS_IT_WAS = "its inputs came out as they were"


def run_plan(plan: Plan, store: Store, listener: Listener, *, jobs: int = 2) -> None:
    """Run a plan's steps, at most `jobs` at a time.

    When a step fails, steps that run already are finished (their results are kept), and no other is
    begun, but for those of its group and what they need: so one DockyardError carries the problems
    of all packages that cannot be made, not of the first. When this process is told
    to stop, the steps that run stop, too, and Stopped comes when they have cleared up.
    """
    for decision in plan.decisions:
        if decision.action is Action.REUSE:
            store.note_answer(decision.step, decision.key)
            listener(StepReused(decision.step.id, decision.step.title, decision.step.group))
    waiting = [d for d in plan.decisions if d.action is Action.RUN]
    groups = Counter(d.step.group for d in waiting if d.step.group)
    listener(RunStarted(len(waiting), dict(groups)))
    unfinished = {d.step.id for d in waiting}
    running: dict[Future[None], Decision] = {}
    failures: list[DockyardError] = []
    failed: list[Step] = []
    with Executors(jobs) as executors:
        while waiting or running:
            for decision in _ready(waiting, unfinished, jobs - len(running)):
                waiting.remove(decision)
                one = _Running(decision, store, listener, executors)
                running[executors.start(one.run)] = decision
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                step = running.pop(future).step
                error = future.exception()
                if error is None:
                    unfinished.discard(step.id)
                elif isinstance(error, DockyardError):
                    failures.append(error)
                    failed.append(step)
                else:
                    raise error
            if failed:
                waiting = _of_groups(waiting, failed)
    if failures:
        # Steps side by side may meet the same trouble, such as a full disk.
        found = dict.fromkeys(problem for error in failures for problem in error.problems)
        raise DockyardError(*found)


def _of_groups(waiting: list[Decision], failed: list[Step]) -> list[Decision]:
    """Of what waits, what is in a group of which steps failed, and what that needs; nothing that
    needs what failed.
    """
    groups = {step.group for step in failed if step.group}
    lost = {step.id for step in failed}
    possible: list[Decision] = []
    for decision in waiting:
        if any(each.id in lost for each in decision.step.needs):
            lost.add(decision.step.id)
        else:
            possible.append(decision)
    kept: set[str] = set()
    for decision in reversed(possible):
        step = decision.step
        if step.group in groups or step.id in kept:
            kept.update((step.id, *(each.id for each in step.needs)))
    return [decision for decision in possible if decision.step.id in kept]


def _ready(waiting: list[Decision], unfinished: set[str], free: int) -> list[Decision]:
    found: list[Decision] = []
    for decision in waiting:
        if len(found) >= free:
            break
        if not any(step.id in unfinished for step in decision.step.needs):
            found.append(decision)
    return found


@dataclasses.dataclass(frozen=True)
class _Running:
    """A step that runs, in a thread of its own."""

    decision: Decision
    store: Store
    listener: Listener
    executors: Executors

    def run(self) -> None:
        step, store = self.decision.step, self.store
        stopping.check()
        used = _used(step, store)
        key = step.key({each.name: used[each.name][1] for each in step.inputs})
        if store.content(key):
            # Inputs that were made again may turn out to be what they were.
            store.note_answer(step, key)
            self.listener(StepReused(step.id, step.title, step.group, _AS_IT_WAS))
            return
        began, note = clock.monotonic(), ""
        self.listener(StepStarted(step.id, step.title, self.decision.reason, step.group))
        try:
            with _trouble_told(store), store.claim(key, self._waiting) as out:
                if out is None:
                    note = "made by another build"
                else:
                    results = {name: store.place(made) for name, (made, _) in used.items()}
                    work = Work(out, results, store.root, self._progress)
                    self.executors.call(step, work)
                    keys = {name: made for name, (made, _) in used.items()}
                    store.publish(key, _facts(step, keys), work.known)
                store.note_answer(step, key)
        except DockyardError as error:
            if any(problem.code == "archive.damaged" for problem in error.problems):
                for needed in step.needs:
                    store.distrust(needed)
            self._tell(StepFailed, began)
            raise
        except BaseException:
            self._tell(StepFailed, began)
            raise
        self._tell(StepFinished, began, note)

    def _tell(self, event: type[StepFailed | StepFinished], began: float, *note: str) -> None:
        step = self.decision.step
        seconds = clock.monotonic() - began
        self.listener(event(step.id, step.title, seconds, step.group, *note))

    def _progress(self, note: str, done: int, total: int, unit: str) -> None:
        step = self.decision.step
        self.listener(StepProgress(step.id, note, done, total, unit, step.group))

    def _waiting(self) -> None:
        self._progress("waiting for another build that makes the same", 0, 0, "")


def _used(step: Step, store: Store) -> dict[str, tuple[str, str]]:
    """By name, the results of the steps that a step needs, all of which have been made: what they
    are called, and the digest of their content.
    """
    found = {}
    for each in step.needs:
        key = store.answer(each)
        content = store.content(key) if key else None
        if key is None or content is None:
            raise DockyardError(store.gone(each))
        found[each.name] = key, content
    return found


def _facts(step: Step, keys: Mapping[str, str]) -> dict[str, object]:
    """What a result says of itself. keys: the names of the results that it was made of."""
    return {
        "name": step.name,
        "kind": step.kind,
        "title": step.title,
        "function": step.function,
        "identity": step.identity,
        "inputs": {each.name: keys[each.name] for each in step.inputs},
        "borrowed": {each.name: keys[each.name] for each in step.borrowed},
    }


@contextmanager
def _trouble_told(store: Store) -> Iterator[None]:
    """Turn what the kernel refuses in the store into problems that a person can act on.

    Where a room has told of a lack of space already, say which store it is.
    """
    try:
        with store_trouble_told(store.root):
            yield
    except DockyardError as error:
        if all(problem.code != "host.no-space" for problem in error.problems):
            raise
        # A step knows its own directory; what a user can make room in is the store.
        raise DockyardError(
            *(
                dataclasses.replace(problem, where=str(store.root))
                if problem.code == "host.no-space"
                else problem
                for problem in error.problems
            )
        ) from error
