"""Choosing packages: what is taken, that it is always the same, and why something cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest
from listed_packages import metadata, package

from dockyard.errors import DockyardError, Position, Problem
from dockyard.model.packages import Request
from dockyard.packages.rpm.repository import Metadata
from dockyard.packages.solve import solve


def chosen(cache: Path, request: Request, *opened: Metadata) -> list[str]:
    return [pin.nevra for pin in solve(request, opened, cache).packages]


def refused(cache: Path, request: Request, *opened: Metadata) -> tuple[Problem, ...]:
    with pytest.raises(DockyardError) as caught:
        solve(request, opened, cache)
    return caught.value.problems


BASE = metadata(
    "base",
    package("bash", "5.2-1", "x86_64", files=["/usr/bin/bash"], requires=["libc >= 2.41"]),
    package("libc", "2.41-1", "x86_64", provides=["libc.so.6()(64bit)"]),
    package("libc", "2.41-1", "i686"),
    package("mawk", "1.3-1", files=["/usr/bin/awk"]),
    package("tool", "1-1", requires=["/usr/bin/awk"], recommends=["tool-doc"]),
    package("tool-doc", "1-1"),
    package("plugin", "1-1", requires=["(tool-doc if tool)"]),
    package("kernel", "6.1-1", "x86_64"),
    package("kernel", "6.10-1", "x86_64"),
    package("epoch", "1:1.0-1"),
    package("epoch", "2.0-1"),
)


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        (["bash"], ["bash-5.2-1.x86_64", "libc-2.41-1.x86_64"]),
        (["tool"], ["mawk-1.3-1.noarch", "tool-1-1.noarch"]),
        (["tool", "plugin"], ["mawk-1.3-1.noarch", "plugin-1-1.noarch", "tool-1-1.noarch",
                              "tool-doc-1-1.noarch"]),
        (["kernel"], ["kernel-6.10-1.x86_64"]),
        (["kernel-6.1-1"], ["kernel-6.1-1.x86_64"]),
        (["kernel < 6.5"], ["kernel-6.1-1.x86_64"]),
        (["kernel-6.1-1", "kernel-6.10-1"], ["kernel-6.1-1.x86_64", "kernel-6.10-1.x86_64"]),
        (["/usr/bin/awk"], ["mawk-1.3-1.noarch"]),
        (["libc.so.6()(64bit)"], ["libc-2.41-1.x86_64"]),
        (["tool*"], ["mawk-1.3-1.noarch", "tool-1-1.noarch", "tool-doc-1-1.noarch"]),
        (["epoch"], ["epoch-1:1.0-1.noarch"]),
        (["epoch-1:1.0-1.noarch"], ["epoch-1:1.0-1.noarch"]),
        (["libc.x86_64"], ["libc-2.41-1.x86_64"]),
    ],
)  # fmt: skip
def test_an_item_means_what_it_says(tmp_path: Path, items: list[str], expected: list[str]) -> None:
    assert chosen(tmp_path, Request(tuple(items)), BASE) == expected


def test_a_pin_says_where_the_package_is_and_what_it_must_be(tmp_path: Path) -> None:
    [pin] = solve(Request(("mawk",)), [BASE], tmp_path).packages
    assert (pin.repository, pin.path, pin.size) == ("base", "Packages/mawk-1.3-1.noarch.rpm", 100)
    assert pin.digest == package("mawk", "1.3-1").digest


def test_weak_dependencies_come_only_when_wanted(tmp_path: Path) -> None:
    with_doc = chosen(tmp_path, Request(("tool",), weak=True), BASE)
    assert "tool-doc-1-1.noarch" in with_doc
    assert "tool-doc-1-1.noarch" not in chosen(tmp_path, Request(("tool",)), BASE)


def test_the_better_priority_wins_over_the_higher_version(tmp_path: Path) -> None:
    old = metadata("own", package("a", "1-1"), priority=10)
    new = metadata("base", package("a", "2-1"))
    assert chosen(tmp_path, Request(("a",)), new, old) == ["a-1-1.noarch"]


def test_the_cheaper_repository_gives_a_package_that_two_have(tmp_path: Path) -> None:
    dear = metadata("a", package("x"), cost=2000)
    cheap = metadata("b", package("x"), cost=100)
    [pin] = solve(Request(("x",)), [dear, cheap], tmp_path).packages
    assert pin.repository == "b"


def test_excluded_packages_are_not_taken_nor_others_than_included(tmp_path: Path) -> None:
    versions = (package("a", "1-1"), package("a", "2-1"), package("b"))
    assert chosen(tmp_path, Request(("a",)), metadata("x", *versions, exclude=("a-2*",))) == [
        "a-1-1.noarch"
    ]
    assert chosen(tmp_path, Request(("a",), exclude=("a-2-1",)), metadata("x", *versions)) == [
        "a-1-1.noarch"
    ]
    [problem] = refused(tmp_path, Request(("b",)), metadata("x", *versions, include=("a",)))
    assert problem.what == "package b may not be installed"
    assert problem.why == "b-1-1.noarch (repository x) is not among the included packages"


def test_the_answer_does_not_depend_on_any_order(tmp_path: Path) -> None:
    providers = [package(f"p{n}", provides=["service"]) for n in range(9)]
    users = [package(f"u{n}", requires=["service"]) for n in range(9)]
    request = Request(tuple(f"u{n}" for n in range(9)))
    extra = metadata("z", *providers[:4])
    one = metadata("a", *providers, *users)
    other = metadata("a", *providers, *users, reverse=True)
    assert one.identity != other.identity
    first = solve(request, [one, extra], tmp_path / "1")
    assert solve(request, [extra, other], tmp_path / "2") == first
    assert solve(request, [one, extra], tmp_path / "1") == first  # out of the cache
    assert list((tmp_path / "1" / "solv").iterdir())


def test_a_damaged_cache_is_made_again(tmp_path: Path) -> None:
    first = chosen(tmp_path, Request(("bash",)), BASE)
    for path in (tmp_path / "solv").iterdir():
        path.write_bytes(b"nonsense")
    assert chosen(tmp_path, Request(("bash",)), BASE) == first


def test_a_changed_byte_in_the_cache_changes_no_choice(tmp_path: Path) -> None:
    first = chosen(tmp_path, Request(("bash",)), BASE)
    (cached,) = (tmp_path / "solv").iterdir()
    data = cached.read_bytes()
    at = data.index(b"bash")
    for place in (at, at + 1, len(data) - 1):
        cached.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        assert chosen(tmp_path, Request(("bash",)), BASE) == first
        assert cached.read_bytes() == data


def test_every_unknown_name_is_reported_with_what_was_meant(tmp_path: Path) -> None:
    places = {"bahs": Position("image.yaml", 4, 9)}
    request = Request(("bahs", "awk", "libc.so.6", "kernel > 7"), wanted_by=places)
    problems = {problem.what: problem for problem in refused(tmp_path, request, BASE)}
    assert problems["there is no package bahs"].where == Position("image.yaml", 4, 9)
    assert problems["there is no package bahs"].why.endswith("base, but there is bash")
    assert problems["there is no package awk"].why.endswith(
        "but there is mawk; /usr/bin/awk is provided by mawk"
    )
    assert "provided by libc" in problems["there is no package libc.so.6"].why
    assert "kernel 6.10-1 (repository base)" in problems["there is no package kernel > 7"].why


def test_a_missing_version_is_told_with_the_way_to_it(tmp_path: Path) -> None:
    opened = metadata(
        "x",
        package("top", requires=["a"]),
        package("a", requires=["b >= 2"]),
        package("b", "1.0-1"),
    )
    [problem] = refused(tmp_path, Request(("top",)), opened)
    assert problem.code == "solve.unsatisfiable"
    assert problem.what == "top cannot be installed"
    assert problem.why.splitlines() == [
        "top-1-1.noarch (repository x) needs a",
        "a-1-1.noarch (repository x) needs b >= 2, but only b 1.0-1 (repository x) is there",
    ]


def test_an_excluded_candidate_is_named(tmp_path: Path) -> None:
    packages = (package("a", requires=["b >= 2"]), package("b", "1-1"), package("b", "2-1"))
    [problem] = refused(tmp_path, Request(("a",)), metadata("x", *packages, exclude=("b-2-1",)))
    assert problem.why == (
        "a-1-1.noarch (repository x) needs b >= 2, but only b 1-1 (repository x) is there;"
        " b 2-1 (repository x) is excluded"
    )
    assert problem.fix.startswith("take away the exclude")


def test_nothing_provides_it(tmp_path: Path) -> None:
    [problem] = refused(tmp_path, Request(("a",)), metadata("x", package("a", requires=["q"])))
    assert problem.why.endswith("needs q, which no package in the repositories provides")


def test_a_conflict_names_both_sides(tmp_path: Path) -> None:
    opened = metadata("x", package("c", conflicts=["d"]), package("d"))
    [problem] = refused(tmp_path, Request(("c", "d")), opened)
    assert problem.what == "c and d cannot be installed together"
    assert problem.fix.startswith("leave out one")
    assert problem.why == "c-1-1.noarch (repository x) conflicts with d-1-1.noarch (repository x)"


def test_a_conflict_deep_below_is_led_to(tmp_path: Path) -> None:
    opened = metadata(
        "x",
        package("one", requires=["mail"]),
        package("two", requires=["other"]),
        package("postfix", provides=["mail"], conflicts=["smtp"]),
        package("other", provides=["smtp"]),
    )
    [problem] = refused(tmp_path, Request(("one", "two")), opened)
    assert problem.what == "one and two cannot be installed together"
    assert "one-1-1.noarch (repository x) needs mail" in problem.why
    assert "two-1-1.noarch (repository x) needs other" in problem.why
    assert "conflicts with smtp, which is provided by other-1-1.noarch" in problem.why


def test_two_versions_of_one_package(tmp_path: Path) -> None:
    opened = metadata("x", package("a", "1-1"), package("a", "2-1"))
    [problem] = refused(tmp_path, Request(("a-1-1", "a-2-1")), opened)
    assert "are two versions of one package" in problem.why


def test_the_best_version_or_none(tmp_path: Path) -> None:
    opened = metadata("x", package("a", "1-1"), package("a", "2-1", requires=["gone"]))
    [problem] = refused(tmp_path, Request(("a",)), opened)
    assert problem.why.startswith("a-2-1.noarch (repository x) needs gone")
    assert chosen(tmp_path, Request(("a-1-1",)), opened) == ["a-1-1.noarch"]


def test_independent_problems_are_reported_together(tmp_path: Path) -> None:
    opened = metadata("x", package("a", requires=["p"]), package("b", requires=["q"]))
    problems = refused(tmp_path, Request(("a", "b")), opened)
    assert sorted(problem.what for problem in problems) == [
        "a cannot be installed",
        "b cannot be installed",
    ]


def test_obsoleted_packages_cannot_stand_beside(tmp_path: Path) -> None:
    opened = metadata("x", package("new", obsoletes=["old"]), package("old"))
    [problem] = refused(tmp_path, Request(("new", "old")), opened)
    assert "new-1-1.noarch (repository x) replaces old" in problem.why
