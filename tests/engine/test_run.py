"""Running: results are whole or absent, steps run once, failures are told together."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from engine_steps import (
    Meeting,
    Nothing,
    Text,
    Trouble,
    fail,
    fill_the_disk,
    meet,
    meet_and_fail,
    process_of,
    slowly,
    upper,
    writes,
)

from dockyard.engine import events
from dockyard.engine.plan import make_plan
from dockyard.engine.run import run_plan
from dockyard.engine.step import Step
from dockyard.engine.store import FACTS, Store, default_root
from dockyard.errors import DockyardError


def build(goal: Step, store: Store, seen: list[events.Event] | None = None, jobs: int = 2) -> Path:
    plan = make_plan([goal], store, {})
    run_plan(plan, store, seen.append if seen is not None else events.ignore, jobs=jobs)
    return store.path(goal)


def test_runs_in_order_then_reuses(tmp_path: Path) -> None:
    store = Store(tmp_path)
    goal = writes("c", writes("a", name="a"), writes("b", name="b"), name="c")
    seen: list[events.Event] = []
    assert (build(goal, store, seen) / "text").read_text() == "cab"
    assert sum(isinstance(e, events.StepFinished) for e in seen) == 3
    assert seen[0] == events.RunStarted(3, {})
    again: list[events.Event] = []
    assert (build(goal, store, again) / "text").read_text() == "cab"
    assert {type(e) for e in again} == {events.RunStarted, events.StepReused}


def test_what_has_the_content_that_it_had_makes_nothing_anew(tmp_path: Path) -> None:
    store, place = Store(tmp_path / "store"), tmp_path

    def goal(text: str) -> Step:
        source = writes(text, name="source", above=place)
        plain = Step.of("upper", "upper", upper, Text("", ("source",), place), (source,))
        return writes("!", plain, name="goal", above=place)

    assert (build(goal("a"), store) / "text").read_text() == "!A"
    assert (place / "ran").read_text() == "a\nupper\n!\n"
    record = make_plan([goal("a")], store, {}).record
    plan = make_plan([goal("A")], store, record)
    assert [d.unless_same for d in plan.decisions] == [False, True, True]
    assert plan.decisions[1].reason == "its input changed: source; unless that comes out as it was"
    seen: list[events.Event] = []
    run_plan(plan, store, seen.append)
    # The source is another text, and upper makes the same of it: the goal is answered.
    assert (place / "ran").read_text() == "a\nupper\n!\nA\nupper\n"
    (answered,) = [each for each in seen if isinstance(each, events.StepReused)]
    assert answered.title == "write !" and answered.reason == "its inputs came out as they were"
    assert store.path(goal("A")) == store.path(goal("a"))
    plan = make_plan([goal("A")], store, record)
    assert not plan.to_run


def test_a_plan_knows_what_is_answered_when_all_inputs_are_there(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")

    def steps(text: str) -> tuple[Step, Step]:
        source = writes(text, name="source")
        plain = Step.of("upper", "upper", upper, Text("", ("source",)), (source,))
        return plain, writes("!", plain, name="goal")

    build(steps("a")[1], store)
    build(steps("A")[0], store)
    plan = make_plan([steps("A")[1]], store, {})
    assert not plan.to_run
    assert plan.decisions[-1].reason == (
        "its inputs were made again, and have the content that they had"
    )
    run_plan(plan, store, events.ignore)
    assert store.path(steps("A")[1]) == store.path(steps("a")[1])


def test_what_is_borrowed_is_there_and_does_not_count(tmp_path: Path) -> None:
    store = Store(tmp_path)

    def goal(text: str) -> Step:
        lender = writes(text, name="lender")
        wanted = Text("", ("lender",))
        return Step.of("write", "goal", "engine_steps:write", wanted, borrowed=(lender,))

    assert goal("a").id == goal("b").id
    assert (build(goal("a"), store) / "text").read_text() == "a"
    assert (build(goal("b"), store) / "text").read_text() == "a"


def test_independent_steps_run_side_by_side(tmp_path: Path) -> None:
    (tmp_path / "place").mkdir()
    sides = [Step.of(name, name, meet, Meeting(tmp_path / "place", name, 2)) for name in ("l", "r")]
    store = Store(tmp_path / "store")
    run_plan(make_plan(sides, store, {}), store, events.ignore)


def test_pure_steps_run_in_processes_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    store = Store(tmp_path)
    step = writes("x", function=process_of, pure=True)
    assert (build(step, store) / "text").read_text() != str(os.getpid())


def test_failures_are_told_together_and_nothing_is_published(tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    failing = [
        Step.of(name, name, meet_and_fail, Meeting(place, name, 2)) for name in ("left", "right")
    ]
    store = Store(tmp_path / "store")
    goal = Step.of("goal", "goal", meet, Meeting(place, "goal", 3), tuple(failing))
    with pytest.raises(DockyardError) as caught:
        build(goal, store)
    assert sorted(p.code for p in caught.value.problems) == ["left", "right"]
    for name in ("results", "answers", "work"):
        assert list((store.root / name).iterdir()) == []


@pytest.mark.parametrize("jobs", [1, 2])
def test_all_of_a_group_that_fail_are_told(tmp_path: Path, jobs: int) -> None:
    def failing(code: str, *inputs: Step, group: str = "Make packages", pure: bool = True) -> Step:
        return Step.of("fail", code, fail, Trouble(code), inputs, name=code, group=group, pure=pure)

    slow = Step.of("slow", "slow", slowly, Nothing(), name="slow")
    many = [failing("a"), failing("b", slow), failing("c", writes("d", failing("e"), name="d"))]
    other = failing("other", writes("f", name="f"), group="Sign packages", pure=False)
    goal = writes("goal", *many, other, name="goal")
    store = Store(tmp_path)
    with pytest.raises(DockyardError) as caught:
        build(goal, store, jobs=jobs)
    # What c needs failed, and `other` is of another group: neither is begun.
    assert sorted(p.code for p in caught.value.problems) == ["a", "b", "e"]
    assert store.has(slow) and not list((tmp_path / "work").iterdir())


def test_what_several_steps_meet_is_told_once(tmp_path: Path) -> None:
    both = [
        Step.of("fail", name, fail, Trouble("same"), name=name, group="Make packages")
        for name in ("a", "b")
    ]
    with pytest.raises(DockyardError) as caught:
        build(writes("goal", *both, name="goal"), Store(tmp_path))
    assert [p.code for p in caught.value.problems] == ["same"]


def test_no_space_is_a_problem_not_a_traceback(tmp_path: Path) -> None:
    with pytest.raises(DockyardError) as caught:
        build(Step.of("full", "full", fill_the_disk, Nothing()), Store(tmp_path))
    assert caught.value.problems[0].code == "host.no-space"


def test_the_same_content_has_the_same_digest_in_every_store(tmp_path: Path) -> None:
    stores = [Store(tmp_path / name) for name in ("one", "two")]
    digests = set()
    for store in stores:
        place = build(writes("x"), store)
        digests.add(store.content(place.name))
        assert (place / "text").stat().st_mtime == 0 and (place / FACTS).is_file()
        time.sleep(0.01)
    assert len(digests) == 1 and None not in digests
    assert stores[0].content(build(writes("y"), stores[0]).name) not in digests


SLOW = """
import sys
from pathlib import Path
from dockyard.engine.plan import make_plan
from dockyard.engine.run import run_plan
from dockyard.engine.step import Step
from dockyard.engine.store import Store
from engine_steps import Nothing, slowly
step = Step.of("slow", "slow", slowly, Nothing())
store = Store(Path(sys.argv[1]))
run_plan(make_plan([step], store, {}), store, lambda event: print(event, flush=True))
"""


def wait_for_work(store: Path) -> None:
    """Wait until a step runs in a store."""
    deadline = time.monotonic() + 20
    while not any((store / "work").iterdir()):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_killed_work_is_swept_and_a_living_process_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
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


def test_what_is_read_for_a_plan_is_not_swept_away_by_another_run(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with store.scratch("input-1") as scratch:
        (scratch / "disk").write_text("in use")
        store.sweep()
        assert (scratch / "disk").read_text() == "in use"
    assert not store.has_work()
