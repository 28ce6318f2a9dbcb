"""Running: results are whole or absent, steps run once, failures are told together."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from dockyard.engine import events
from dockyard.engine.plan import Step, Work, make_plan
from dockyard.engine.run import run_plan
from dockyard.engine.store import Store, default_root
from dockyard.errors import DockyardError, Problem


def writes(text: str, *inputs: Step, kind: str = "write") -> Step:
    def work(work: Work) -> None:
        joined = text + "".join((work.result(s) / "text").read_text() for s in inputs)
        work.progress("writing", 1, 2, "parts")
        (work.out / "text").write_text(joined)

    return Step(kind, f"write {text}", {"text": text}, inputs, work)


def build(goal: Step, store: Store, seen: list[events.Event] | None = None) -> Path:
    plan = make_plan(goal, store.has, {})
    return run_plan(plan, store, seen.append if seen is not None else events.ignore)


def test_runs_in_order_then_reuses(tmp_path: Path) -> None:
    store = Store(tmp_path)
    goal = writes("c", writes("a", kind="a"), writes("b", kind="b"), kind="c")
    seen: list[events.Event] = []
    assert (build(goal, store, seen) / "text").read_text() == "cab"
    assert sum(isinstance(e, events.StepFinished) for e in seen) == 3
    again: list[events.Event] = []
    assert (build(goal, store, again) / "text").read_text() == "cab"
    assert {type(e) for e in again} == {events.StepReused}


def test_independent_steps_run_side_by_side(tmp_path: Path) -> None:
    both = threading.Barrier(2, timeout=10)

    def meet(work: Work) -> None:
        both.wait()

    left = Step("left", "left", {}, (), meet)
    right = Step("right", "right", {}, (), meet)
    goal = Step("goal", "goal", {}, (left, right), lambda work: None)
    build(goal, Store(tmp_path))


def test_failures_are_told_together_and_nothing_is_published(tmp_path: Path) -> None:
    gate = threading.Barrier(2, timeout=10)

    def failing(code: str) -> Step:
        def work(work: Work) -> None:
            (work.out / "half").write_text("half")
            gate.wait()
            raise DockyardError(Problem(code, code))

        return Step(code, code, {}, (), work)

    left, right = failing("left"), failing("right")
    store = Store(tmp_path)
    with pytest.raises(DockyardError) as caught:
        build(Step("goal", "goal", {}, (left, right), lambda work: None), store)
    assert sorted(p.code for p in caught.value.problems) == ["left", "right"]
    assert list((tmp_path / "results").iterdir()) == []
    assert list((tmp_path / "work").iterdir()) == []


def test_no_space_is_a_problem_not_a_traceback(tmp_path: Path) -> None:
    def full(work: Work) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(DockyardError) as caught:
        build(Step("full", "full", {}, (), full), Store(tmp_path))
    assert caught.value.problems[0].code == "host.no-space"


SLOW = """
import sys, time
from pathlib import Path
from dockyard.engine import events
from dockyard.engine.plan import Step, make_plan
from dockyard.engine.run import run_plan
from dockyard.engine.store import Store
def work(work):
    for n in range(200):
        (work.out / str(n)).write_text(str(n))
        time.sleep(0.01)
step = Step("slow", "slow", {}, (), work)
store = Store(Path(sys.argv[1]))
run_plan(make_plan(step, store.has, {}), store, lambda event: print(event, flush=True))
"""


def wait_for_work(store: Path) -> None:
    """Wait until a step runs in a store."""
    deadline = time.monotonic() + 20
    while not any((store / "work").iterdir()):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_killed_work_is_swept_and_a_living_process_is_waited_for(tmp_path: Path) -> None:
    first = subprocess.Popen([sys.executable, "-c", SLOW, tmp_path], stdout=subprocess.PIPE)
    assert first.stdout is not None
    first.stdout.readline()
    store = Store(tmp_path)
    wait_for_work(tmp_path)
    store.sweep()
    assert list((tmp_path / "work").iterdir()), "the work of a living process is left alone"
    first.send_signal(signal.SIGKILL)
    first.wait()
    first.stdout.close()
    store.sweep()
    assert list((tmp_path / "work").iterdir()) == []
    assert list((tmp_path / "results").iterdir()) == []
    command = [sys.executable, "-c", SLOW, str(tmp_path)]
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    wait_for_work(tmp_path)
    second = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=60, check=True)
    assert running.wait(60) == 0
    assert "waiting for another build" in second.stdout
    assert "note='made by another build'" in second.stdout
    (result,) = (tmp_path / "results").iterdir()
    assert len([n for n in result.iterdir() if n.name.isdigit()]) == 200


def test_where_the_store_is() -> None:
    assert default_root({"DOCKYARD_STORE": "/s", "HOME": "/h"}) == Path("/s")
    assert default_root({"XDG_CACHE_HOME": "/c", "HOME": "/h"}) == Path("/c/dockyard")
    assert default_root({"HOME": "/h"}) == Path("/h/.cache/dockyard")
