"""Runs a plan: independent steps side by side, every result published whole, failures told
together.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dockyard.engine.events import (
    Listener,
    StepFailed,
    StepFinished,
    StepProgress,
    StepReused,
    StepStarted,
)
from dockyard.engine.plan import Action, Decision, Plan, Step
from dockyard.engine.store import Store
from dockyard.errors import DockyardError
from dockyard.host import clock, stopping
from dockyard.host.storage import store_trouble_told


@dataclass(frozen=True)
class _Work:
    """What a running step holds; see plan.Work."""

    step: Step
    out: Path
    store: Store
    listener: Listener
    known: dict[str, str] = dataclasses.field(default_factory=dict)

    def digested(self, digests: Mapping[str, str]) -> None:
        self.known.update(digests)

    def result(self, step: Step) -> Path:
        return self.store.path(step)

    def progress(self, note: str, done: int = 0, total: int = 0, unit: str = "") -> None:
        stopping.check()
        self.listener(StepProgress(self.step.id, note, done, total, unit))


def run_plan(plan: Plan, store: Store, listener: Listener, *, jobs: int = 2) -> Path:
    """Run a plan's steps, at most `jobs` at a time. Returns the goal's result directory.

    When a step fails, steps that run already are finished (their results are kept), no other is
    begun, and one DockyardError carries the problems of all that failed. When this process is told
    to stop, the steps that run stop, too, and Stopped comes when they have cleared up.
    """
    for decision in plan.decisions:
        if decision.action is Action.REUSE:
            listener(StepReused(decision.step.id, decision.step.title))
    waiting = [d for d in plan.decisions if d.action is Action.RUN]
    unfinished = {d.step.id for d in waiting}
    running: dict[Future[None], Decision] = {}
    failures: list[DockyardError] = []
    with ThreadPoolExecutor(max_workers=jobs, thread_name_prefix="step") as pool:
        while waiting or running:
            for decision in _ready(waiting, unfinished, jobs - len(running)):
                waiting.remove(decision)
                running[pool.submit(_run_step, decision, store, listener)] = decision
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                unfinished.discard(running.pop(future).step.id)
                error = future.exception()
                if isinstance(error, DockyardError):
                    failures.append(error)
                elif error is not None:
                    raise error
            if failures:
                waiting.clear()
    if failures:
        raise DockyardError(*(problem for error in failures for problem in error.problems))
    return store.path(plan.decisions[-1].step)


def _ready(waiting: list[Decision], unfinished: set[str], free: int) -> list[Decision]:
    ready = [d for d in waiting if not any(s.id in unfinished for s in d.step.inputs)]
    return ready[: max(free, 0)]


def _run_step(decision: Decision, store: Store, listener: Listener) -> None:
    step = decision.step
    stopping.check()
    began, note = clock.monotonic(), ""
    listener(StepStarted(step.id, step.title, decision.reason))

    def waiting() -> None:
        listener(StepProgress(step.id, "waiting for another build that makes the same"))

    try:
        with _trouble_told(store), store.claim(step, waiting) as out:
            if out is None:
                note = "made by another build"
            else:
                work = _Work(step, out, store, listener)
                step.work(work)
                store.publish(step, work.known)
    except DockyardError as error:
        if any(problem.code == "archive.damaged" for problem in error.problems):
            for needed in step.inputs:
                store.distrust(needed)
        listener(StepFailed(step.id, step.title, clock.monotonic() - began))
        raise
    except BaseException:
        listener(StepFailed(step.id, step.title, clock.monotonic() - began))
        raise
    listener(StepFinished(step.id, step.title, clock.monotonic() - began, note))


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
