"""A plan as a person reads it."""

from __future__ import annotations

from click import unstyle

from dockyard.cli.plan import as_text
from dockyard.engine.plan import Step, Work, make_plan


def nothing(work: Work) -> None:
    raise AssertionError("planning must not run anything")


def goal(size: int) -> Step:
    tree = Step("tree", "Make the tree", {}, (), nothing)
    return Step("disk", "Assemble the disk", {"size": size}, (tree,), nothing)


def test_a_reason_that_all_share_is_told_once() -> None:
    told = unstyle(as_text(make_plan(goal(5), lambda _: False, {})))
    assert told.splitlines() == [
        "▸ Make the tree",
        "▸ Assemble the disk",
        "2 of 2 steps to run, each because it has not been made before",
    ]


def test_each_reason_is_told_where_it_is_one_of_several() -> None:
    record = make_plan(goal(5), lambda _: False, {}).record
    told = unstyle(as_text(make_plan(goal(6), lambda step: step.kind == "tree", record)))
    assert told.splitlines() == [
        "= Make the tree",
        "▸ Assemble the disk",
        "    because size was 5, is 6",
        "1 of 2 steps to run",
    ]
