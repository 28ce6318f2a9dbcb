"""Planning is a pure function; its reasons name what changed."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace

from dockyard.engine.differences import differences
from dockyard.engine.plan import Action, Plan, make_plan
from dockyard.engine.step import Step


@dataclass
class There:
    """A store that has the results of some steps."""

    steps: Collection[Step] = field(default_factory=tuple)

    def answer(self, step: Step) -> str | None:
        return step.id if step.id in {each.id for each in self.steps} else None

    def content(self, key: str) -> str | None:
        return f"content of {key}" if key in {each.id for each in self.steps} else None


def step(name: str, identity: dict[str, object], *inputs: Step) -> Step:
    return Step(name, name, name, "engine_steps:write", identity, identity, inputs)


def chain(message: str = "hello") -> tuple[Step, Step, Step]:
    first = step("packages", {"lock": "a"})
    second = step("settings", {"files": [{"path": "/etc/motd", "text": message}]}, first)
    return first, second, step("disk", {"size": 5}, second, first)


def actions(plan: Plan) -> list[tuple[str, Action]]:
    return [(d.step.name, d.action) for d in plan.decisions]


def test_ids_depend_on_identity_code_and_inputs_alone() -> None:
    assert [s.id for s in chain()] == [s.id for s in chain()]
    assert chain()[0].id == chain("other")[0].id
    assert chain()[1].id != chain("other")[1].id
    assert chain()[2].id != chain("other")[2].id
    first = chain()[0]
    assert replace(first, title="x", details=("y",), given={"z": 1}).id == first.id
    assert replace(first, function="dockyard.host.files:digest").id != first.id


def test_first_plan_runs_all_in_order() -> None:
    plan = make_plan([chain()[2]], There(), {})
    assert actions(plan) == [(k, Action.RUN) for k in ("packages", "settings", "disk")]
    assert {d.reason for d in plan.decisions} == {"it has not been made before"}


def test_nothing_runs_when_the_goal_is_there() -> None:
    goal = chain()[2]
    assert actions(make_plan([goal], There([goal]), {})) == [
        ("packages", Action.SKIP),
        ("settings", Action.SKIP),
        ("disk", Action.REUSE),
    ]


def test_the_reason_names_the_value_that_changed() -> None:
    before = make_plan([chain()[2]], There(), {}).record
    first, _, goal = chain("bye")
    plan = make_plan([goal], There([first]), before)
    assert actions(plan) == [
        ("packages", Action.REUSE),
        ("settings", Action.RUN),
        ("disk", Action.RUN),
    ]
    assert "bye" in plan.decisions[1].reason and "hello" in plan.decisions[1].reason
    assert (
        plan.decisions[2].reason == "its input changed: settings; unless that comes out as it was"
    )
    assert [d.unless_same for d in plan.decisions] == [False, False, True]


def test_a_change_of_what_needs_not_run_is_told_where_it_matters() -> None:
    def steps(pin: str) -> tuple[Step, Step]:
        tools = step("tools", {"pin": f"sha256:{pin}"})
        return tools, step("disk", {}, tools)

    record = make_plan([steps("aa")[1]], There(), {}).record
    tools, disk = steps("bb")
    plan = make_plan([disk], There([tools]), record)
    assert actions(plan) == [("tools", Action.REUSE), ("disk", Action.RUN)]
    assert plan.decisions[1].reason == "its input changed: tools (pin has other content)"


def test_a_change_of_code_is_told() -> None:
    goal = chain()[0]
    record = make_plan([goal], There(), {}).record
    moved = replace(goal, modules=("dockyard.host.files",))
    (decision,) = make_plan([moved], There(), record).decisions
    assert decision.reason == "Dockyard's code that makes it changed"


def test_a_result_that_has_gone_is_told() -> None:
    goal = chain()[2]
    record = make_plan([goal], There(), {}).record
    plan = make_plan([goal], There(), record)
    assert plan.decisions[0].reason == "its result is no longer in the store"


def test_an_input_that_has_gone_is_told() -> None:
    first, second, goal = chain()
    record = make_plan([goal], There(), {}).record
    fewer = replace(goal, inputs=(second,))
    assert make_plan([fewer], There([first, second]), record).decisions[-1].reason == (
        "it is made without packages now"
    )


def test_damage_is_told_and_what_is_damaged_is_made_anew() -> None:
    first, second, goal = chain()
    plan = make_plan([goal], There([first, second]), {}, damaged={second.id: "a file is gone"})
    assert actions(plan) == [
        ("packages", Action.REUSE),
        ("settings", Action.RUN),
        ("disk", Action.RUN),
    ]
    assert plan.decisions[1].reason == "its result was damaged: a file is gone"


def test_reasons_name_settings_by_what_they_are_about_and_leave_digests_out() -> None:
    file = {"file": "/etc/motd", "digest": "sha256:aa"}
    before = {"settings": [file, {"hostname": "a"}], "packages": {"bash": "sha256:aa"}}
    changed = {**file, "digest": "sha256:bb"}
    user = {"user": "ann", "uid": 1}
    after = {"settings": [changed, user, {"hostname": "b"}], "packages": {"bash": "sha256:bb"}}
    assert list(differences(before, after)) == [
        "packages.bash has other content",
        "file /etc/motd changed",
        "hostname changed",
        "user ann was added",
    ]


def test_what_has_no_other_mark_than_a_name_is_said_to_be_one_of_what() -> None:
    before = {"packages": [{"name": "tar", "digest": "sha256:aa"}, {"name": "xz", "digest": "b"}]}
    after = {"packages": [{"name": "pv", "digest": "sha256:cc"}, {"name": "xz", "digest": "c"}]}
    assert list(differences(before, after)) == [
        "packages: pv was added",
        "packages: tar was removed",
        "packages: xz changed",
    ]


def test_a_step_that_says_why_it_is_planned_is_not_compared_with_the_last_one() -> None:
    before, after = step("fetch", {"pins": ["a", "b"]}), step("fetch", {"pins": ["c"]})
    after = replace(after, because="the store lacks c")
    (decision,) = make_plan([after], There(), {"fetch": before.record}).decisions
    assert decision.reason == "the store lacks c"
    (first,) = make_plan([after], There(), {}).decisions
    assert first.reason == "it has not been made before"


def test_only_what_is_needed_is_looked_for() -> None:
    @dataclass
    class Asked(There):
        names: list[str] = field(default_factory=list)

        def answer(self, step: Step) -> str | None:
            self.names.append(step.name)
            return super().answer(step)

    first, second, goal = chain()
    whole = Asked([first, second, goal])
    plan = make_plan([goal], whole, {})
    assert whole.names == ["disk"]
    assert [d.action for d in plan.decisions] == [Action.SKIP, Action.SKIP, Action.REUSE]
    assert plan.record == make_plan([goal], There(), {}).record
    without_goal = Asked([first, second])
    make_plan([goal], without_goal, {})
    assert sorted(without_goal.names) == ["disk", "packages", "settings"]
