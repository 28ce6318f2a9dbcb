"""A step as text: run by whoever has its inputs and the same code, refused by all others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from engine_steps import writes

from dockyard.engine import remote
from dockyard.engine.code import code_of
from dockyard.engine.events import ignore
from dockyard.engine.plan import make_plan
from dockyard.engine.remote import run_step, step_text
from dockyard.engine.run import run_plan
from dockyard.engine.step import Step, key_of
from dockyard.engine.store import Store
from dockyard.errors import DockyardError


@pytest.fixture(autouse=True)
def steps_of_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "_OURS", "engine_steps:")


@pytest.fixture
def goal() -> Step:
    return writes("c", writes("a", name="a"), name="c")


def built(step: Step, place: Path) -> Store:
    store = Store(place)
    run_plan(make_plan([step], store, {}), store, ignore)
    return store


def test_the_text_makes_the_result_that_the_plan_makes(goal: Step, tmp_path: Path) -> None:
    store = built(goal, tmp_path / "store")
    text = step_text(goal, store)
    other = built(goal.inputs[0], tmp_path / "other")
    key = run_step(text, other)
    assert key == store.answer(goal) == other.answer(goal)
    assert other.content(key) == store.content(key)
    assert other.facts(key) == store.facts(key)
    assert not make_plan([goal], other, {}).to_run
    assert run_step(text, other) == key


def test_what_does_not_fit_is_refused(goal: Step, tmp_path: Path) -> None:
    store = built(goal, tmp_path / "store")
    told = json.loads(step_text(goal, store))
    other = Store(tmp_path / "other")

    def refused(**changes: object) -> str:
        with pytest.raises(DockyardError) as caught:
            run_step(json.dumps({**told, **changes}), other)
        return caught.value.problems[0].code

    assert refused() == "step.no-input"
    assert refused(format="other") == refused(contents={}) == "step.malformed"
    assert refused(identity={"text": "other"}) == refused(code="0" * 64) == "step.malformed"
    assert refused(function="dockyard.engine.plan:make_plan") == "step.malformed"
    with pytest.raises(DockyardError, match=r"cannot be run here"):
        run_step("no JSON", other)
    source = built(goal.inputs[0], tmp_path / "third")
    (source.path(goal.inputs[0]) / "text").write_text("other")
    with pytest.raises(DockyardError) as caught:
        run_step(json.dumps(told), source)
    assert "is damaged" in caught.value.problems[0].why
    assert not list((source.root / "work").iterdir())


def test_a_text_that_says_one_thing_and_does_another_is_refused(
    goal: Step, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = goal.inputs[0]
    store, other = built(goal, tmp_path / "store"), Store(tmp_path / "other")
    told = json.loads(step_text(first, store))

    def refused(**changes: object) -> str:
        changed = {**told, **changes}
        inputs = {name: changed["contents"][name] for name in changed["inputs"]}
        place = changed["function"].partition(":")[0]
        changed["code"] = code = code_of(place)
        shaped = (changed["kind"], changed["function"], code, changed["identity"], inputs)
        with pytest.raises(DockyardError) as caught:
            run_step(json.dumps({**changed, "key": key_of(*shaped)}), other)
        return caught.value.problems[0].why

    assert "its arguments are not" in refused(arguments={**told["arguments"], "text": "b"})
    assert "its arguments are not" in refused(identity={**told["identity"], "text": "b"})
    assert "is no name of" in refused(id="../../victim")
    assert "is no name of" in refused(kind="../../victim")
    outside = {"inputs": {"a": "../../other"}, "contents": {"a": "0"}}
    assert "is no name of" in refused(**outside)
    assert "is no name of" in refused(borrowed={"a": "/etc"})
    assert "is no function of a step" in refused(function="engine_steps:writes")
    assert "has no attribute" in refused(function="engine_steps:nothing")
    monkeypatch.setattr(remote, "_OURS", "dockyard.")
    assert "is not of Dockyard" in refused()
    assert not list((other.root / "results").iterdir())
    assert not list((other.root / "answers").iterdir())
    assert not (tmp_path / "victim").exists()


def test_other_code_is_refused(goal: Step, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = built(goal, tmp_path / "store")
    text = step_text(goal, store)
    monkeypatch.setattr(remote, "code_of", lambda *modules: "other")
    with pytest.raises(DockyardError) as caught:
        run_step(text, store)
    assert caught.value.problems[0].code == "step.other-code"


def test_a_step_whose_inputs_were_not_made_has_no_text(goal: Step, tmp_path: Path) -> None:
    with pytest.raises(DockyardError, match="was removed from the store"):
        step_text(goal, Store(tmp_path))
