"""Planning is a pure function; its reasons name what changed."""

from __future__ import annotations

from dockyard.engine.plan import Action, Plan, Step, Work, differences, make_plan


def nothing(work: Work) -> None:
    raise AssertionError("planning must not run anything")


def chain(message: str = "hello") -> tuple[Step, Step, Step]:
    first = Step("packages", "install", {"lock": "a"}, (), nothing)
    second = Step(
        "settings",
        "settings",
        {"files": [{"path": "/etc/motd", "text": message}]},
        (first,),
        nothing,
    )
    return first, second, Step("disk", "disk", {"size": 5}, (second, first), nothing)


def actions(plan: Plan) -> list[tuple[str, Action]]:
    return [(d.step.kind, d.action) for d in plan.decisions]


def test_ids_depend_on_identity_and_inputs_alone() -> None:
    assert [s.id for s in chain()] == [s.id for s in chain()]
    assert chain()[0].id == chain("other")[0].id
    assert chain()[1].id != chain("other")[1].id
    assert chain()[2].id != chain("other")[2].id


def test_first_plan_runs_all_in_order() -> None:
    plan = make_plan(chain()[2], lambda _: False, {})
    assert actions(plan) == [(k, Action.RUN) for k in ("packages", "settings", "disk")]
    assert {d.reason for d in plan.decisions} == {"it has not been made before"}


def test_nothing_runs_when_the_goal_is_there() -> None:
    goal = chain()[2]
    plan = make_plan(goal, lambda step: step.id == goal.id, {})
    assert actions(plan) == [
        ("packages", Action.SKIP),
        ("settings", Action.SKIP),
        ("disk", Action.REUSE),
    ]


def test_the_reason_names_the_value_that_changed() -> None:
    before = make_plan(chain()[2], lambda _: False, {}).record
    first, _, goal = chain("bye")
    plan = make_plan(goal, lambda step: step.id == first.id, before)
    assert actions(plan) == [
        ("packages", Action.REUSE),
        ("settings", Action.RUN),
        ("disk", Action.RUN),
    ]
    assert "bye" in plan.decisions[1].reason and "hello" in plan.decisions[1].reason
    assert plan.decisions[2].reason == "its input changed: settings"


def test_a_change_of_what_needs_not_run_is_told_where_it_matters() -> None:
    def steps(code: str) -> tuple[Step, Step]:
        tools = Step("tools", "tools", {"code": f"sha256:{code}"}, (), nothing)
        return tools, Step("disk", "disk", {}, (tools,), nothing)

    record = make_plan(steps("aa")[1], lambda _: False, {}).record
    tools, disk = steps("bb")
    plan = make_plan(disk, lambda step: step.id == tools.id, record)
    assert actions(plan) == [("tools", Action.REUSE), ("disk", Action.RUN)]
    assert plan.decisions[1].reason == "its input changed: tools (code has other content)"


def test_a_result_that_has_gone_is_told() -> None:
    goal = chain()[2]
    record = make_plan(goal, lambda _: False, {}).record
    plan = make_plan(goal, lambda _: False, record)
    assert plan.decisions[0].reason == "its result is no longer in the store"


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
