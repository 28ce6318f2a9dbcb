"""A plan as a person reads it."""

from __future__ import annotations

import json

from click import unstyle

from dockyard.cli.plan import as_json, as_text
from dockyard.engine.plan import Action, Decision, Plan
from dockyard.engine.step import Step


def step(name: str, title: str, group: str = "") -> Step:
    return Step(name, name, title, "dockyard.host.files:digest", {}, {}, group=group)


TREE, DISK = step("tree", "Make the tree"), step("disk", "Assemble the disk")


def told(*decisions: Decision) -> list[str]:
    return unstyle(as_text(Plan(decisions))).splitlines()


def test_a_reason_that_all_share_is_told_once() -> None:
    reason = "it has not been made before"
    assert told(*(Decision(each, Action.RUN, reason) for each in (TREE, DISK))) == [
        "▸ Make the tree",
        "▸ Assemble the disk",
        "2 of 2 steps to run, each because it has not been made before",
    ]


def test_each_reason_is_told_where_it_is_one_of_several() -> None:
    reused = Decision(TREE, Action.REUSE, "nothing that shapes it has changed")
    assert told(reused, Decision(DISK, Action.RUN, "size was 5, is 6")) == [
        "= Make the tree",
        "▸ Assemble the disk",
        "    because size was 5, is 6",
        "1 of 2 steps to run",
    ]


def test_many_steps_of_a_group_are_told_as_one() -> None:
    many = [step(f"p{n}", f"Unpack p{n}", "Unpack packages") for n in range(6)]
    assert told(
        *(Decision(each, Action.REUSE, "") for each in many[:4]),
        *(Decision(each, Action.RUN, "it is new") for each in many[4:]),
        Decision(DISK, Action.RUN, "its input changed: p5"),
    ) == [
        "= Unpack packages (4)",
        "▸ Unpack p4",
        "    because it is new",
        "▸ Unpack p5",
        "    because it is new",
        "▸ Assemble the disk",
        "    because its input changed: p5",
        "3 of 7 steps to run",
    ]
    # Wherever in the order they are: some wait for others of their kind.
    parted = [*many[:3], TREE, *many[3:]]
    assert told(*(Decision(each, Action.SKIP, "") for each in parted))[:2] == [
        "· Unpack packages (6)",
        "· Make the tree",
    ]
    runs = (Decision(each, Action.RUN, "old" if n else "new") for n, each in enumerate(many))
    assert told(*runs) == [
        "▸ Unpack packages (6)",
        "    because old (5); new (1)",
        "6 of 6 steps to run",
    ]


def test_a_program_is_told_the_group_of_a_step() -> None:
    decision = Decision(step("p1", "Unpack p1", "Unpack packages"), Action.RUN, "")
    assert '"group": "Unpack packages"' in json.dumps(as_json(Plan((decision,))))


def test_what_moved_for_many_steps_is_not_named_for_each() -> None:
    many = [step(f"sign-p{n}", f"Sign p{n}", "Sign packages") for n in range(5)]
    same = "unless that comes out as it was"
    assert told(
        *(Decision(each, Action.RUN, f"its input changed: {each.name}; {same}") for each in many),
        Decision(DISK, Action.RUN, "size was 5, is 6"),
    ) == [
        "▸ Sign packages (5)",
        f"    because its input changed; {same}",
        "▸ Assemble the disk",
        "    because size was 5, is 6",
        "6 of 6 steps to run",
    ]
