"""Runs a plan: independent steps side by side, every result published whole, failures told
together.
"""

from __future__ import annotations

import dataclasses
import heapq
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from dockyard.engine.events import (
    Listener,
    RunStarted,
    StepFailed,
    StepFinished,
    StepProgress,
    StepReused,
    StepStarted,
    StepStopped,
    unfinished,
)
from dockyard.engine.holds import Hold, settling, sweep
from dockyard.engine.plan import Action, Decision, Plan
from dockyard.engine.step import Step
from dockyard.engine.store import Store
from dockyard.engine.work import Work
from dockyard.errors import DockyardError
from dockyard.host import clock, namespace, stopping
from dockyard.host.storage import store_trouble_told

if TYPE_CHECKING:
    from concurrent.futures import Future

    from dockyard.engine.executors import Executors

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
    if waiting and (failures := _run(_Queue(waiting), store, listener, jobs)):
        # Steps side by side may meet the same trouble, such as a full disk.
        found = dict.fromkeys(problem for error in failures for problem in error.problems)
        raise DockyardError(*found)


def carry_out(
    plan: Plan,
    hold: Hold,
    store: Store,
    listener: Listener,
    *,
    jobs: int = 2,
    inside: bool = False,
) -> None:
    """Hold what a plan uses, and run it. Enters the namespace where there is something to do, or
    inside is asked for: call it before any thread is started.
    """
    hold.keep(plan)
    if plan.to_run or inside or store.has_work():
        namespace.enter()
        sweep(store)
    run_plan(plan, store, listener, jobs=jobs)


def _run(queue: _Queue, store: Store, listener: Listener, jobs: int) -> list[DockyardError]:
    """Run what waits; gives what went wrong."""
    # Few builds need what they load.
    from concurrent.futures import FIRST_COMPLETED, wait

    from dockyard.engine.executors import Executors

    running: dict[Future[None], Decision] = {}
    failures: list[DockyardError] = []
    with Executors(jobs) as executors:
        while True:
            while len(running) < jobs and (decision := queue.take()):
                one = _Running(decision, store, listener, executors)
                running[executors.start(one.run)] = decision
            if not running:
                return failures
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                step = running.pop(future).step
                error = future.exception()
                if error is None:
                    queue.made(step)
                elif isinstance(error, DockyardError):
                    failures.append(error)
                    queue.failed(step)
                else:
                    raise error


class _Queue:
    """Steps that wait, in the order of the plan; each can be taken when all that it needs is
    there. Its work grows with the number of steps and of what they need alone.
    """

    def __init__(self, decisions: Iterable[Decision]) -> None:
        self._waiting = {each.step.id: each for each in decisions}
        self._numbers = {step: number for number, step in enumerate(self._waiting)}
        self._readers: dict[str, list[str]] = {step: [] for step in self._waiting}
        self._lacking: dict[str, int] = {}
        self._ready: list[tuple[int, str]] = []
        self._failed: list[Step] = []
        for step, decision in self._waiting.items():
            lacking = {each.id for each in decision.step.needs} & self._waiting.keys()
            self._lacking[step] = len(lacking)
            for each in lacking:
                self._readers[each].append(step)
            if not lacking:
                self._ready.append((self._numbers[step], step))

    def take(self) -> Decision | None:
        """The first step that can run; None where there is none now."""
        while self._ready:
            _, step = heapq.heappop(self._ready)
            if decision := self._waiting.pop(step, None):
                return decision
        return None

    def made(self, step: Step) -> None:
        """A step that was taken has its result."""
        for reader in self._readers[step.id]:
            self._lacking[reader] -= 1
            if not self._lacking[reader]:
                heapq.heappush(self._ready, (self._numbers[reader], reader))

    def failed(self, step: Step) -> None:
        """A step that was taken has none: only those of its group, and what they need, go on."""
        self._failed.append(step)
        kept = _of_groups(list(self._waiting.values()), self._failed)
        self._waiting = {each.step.id: each for each in kept}


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
        used = store.needed_by(step)
        key = step.key({name: each.content for name, each in used.items()})
        if self._noted(key):
            # Inputs that were made again may turn out to be what they were.
            self.listener(StepReused(step.id, step.title, step.group, _AS_IT_WAS))
            return
        began, note = clock.monotonic(), ""
        self.listener(StepStarted(step.id, step.title, self.decision.reason, step.group))
        try:
            with _trouble_told(store), store.claim(key, self._waiting) as out:
                keys = {name: each.key for name, each in used.items()}
                if out is None:
                    note = "made by another build"
                else:
                    results = {name: store.place(made) for name, made in keys.items()}
                    work = Work(out, results, store.root, self._progress)
                    self.executors.call(step, work)
                with settling(store):
                    if out is not None:
                        store.publish(key, step.facts(keys), work.known)
                    store.note_answer(step, key)
        except DockyardError as error:
            if any(problem.code == "archive.damaged" for problem in error.problems):
                for needed in step.needs:
                    store.distrust(needed)
            self._tell(StepFailed, began)
            raise
        except BaseException as error:
            self._tell(unfinished(error), began)
            raise
        self._tell(StepFinished, began, note)

    def _noted(self, key: str) -> bool:
        """Whether a result is there, which is noted as the step's then."""
        with settling(self.store):
            if self.store.content(key) is None:
                return False
            self.store.note_answer(self.decision.step, key)
            return True

    def _tell(
        self, event: type[StepFailed | StepFinished | StepStopped], began: float, *note: str
    ) -> None:
        step = self.decision.step
        seconds = clock.monotonic() - began
        self.listener(event(step.id, step.title, seconds, step.group, *note))

    def _progress(self, note: str, done: int, total: int, unit: str) -> None:
        step = self.decision.step
        self.listener(StepProgress(step.id, note, done, total, unit, step.group))

    def _waiting(self) -> None:
        self._progress("waiting for another build that makes the same", 0, 0, "")


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
