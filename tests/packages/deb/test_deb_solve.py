"""Choosing packages: dpkg's rules over a pool of ranks, and apt's preferences."""

from __future__ import annotations

import pytest

from debian_archive import index
from dockyard.errors import DockyardError, Problem
from dockyard.packages.deb.solve import Wish, solve


def names(*packages: str, ask: str, **options: object) -> list[str]:
    wishes = [Wish(text.strip()) for text in ask.split(",")]
    return [found.name for found in solve(index(*packages), wishes, **options)]  # type: ignore[arg-type]


def problem(*packages: str, ask: str) -> Problem:
    with pytest.raises(DockyardError) as caught:
        names(*packages, ask=ask)
    return caught.value.problems[0]


def test_dependencies_are_followed() -> None:
    assert names("a 1; Depends: b, c", "b 1; Pre-Depends: d", "c 1", "d 1", "e 1", ask="a") == [
        "a",
        "b",
        "c",
        "d",
    ]


def test_versions_are_compared_as_dpkg_does() -> None:
    # rpm would hold 1.0~rc1 for lower too, but 1.0+dfsg for lower than 1.0.1-1 by other rules.
    packages = ("a 1; Depends: b (>= 1:0.5)", "b 9", "b 1:0.5~", "b 1:0.5+x")
    found = solve(index(*packages), [Wish("a")])
    assert [(item.name, item.version) for item in found] == [("a", "1"), ("b", "1:0.5+x")]


def test_the_first_alternative_is_taken() -> None:
    assert names("a 1; Depends: b | c", "b 1", "c 1", ask="a") == ["a", "b"]
    assert names("a 1; Depends: c | b", "b 1", "c 1", ask="a") == ["a", "c"]


def test_an_alternative_that_is_there_is_enough() -> None:
    assert names("a 1; Depends: b | c", "b 1", "c 1", ask="a, c") == ["a", "c"]
    # The hard dependency of a later package decides before any alternative does.
    assert names("a 1; Depends: b | c, d", "b 1", "c 1", "d 1; Depends: c", ask="a") == [
        "a",
        "c",
        "d",
    ]


def test_a_missing_first_alternative_is_passed_over() -> None:
    assert names("a 1; Depends: gone | c", "c 1", ask="a") == ["a", "c"]
    assert names("a 1; Depends: b (>= 2) | c", "b 1", "c 1", ask="a") == ["a", "c"]


def test_a_bare_provide_does_not_meet_a_versioned_relation() -> None:
    packages = ("a 1; Depends: virtual (>= 1)", "p 5; Provides: virtual")
    assert "virtual (>= 1)" in problem(*packages, ask="a").why
    assert names(packages[0], "p 5; Provides: virtual (= 1.2)", ask="a") == ["a", "p"]
    assert (
        "a 1 needs virtual (>= 1)"
        in problem(packages[0], "p 5; Provides: virtual (= 0.9)", ask="a").why
    )


def test_a_bare_provide_meets_a_bare_relation() -> None:
    assert names("a 1; Depends: virtual", "p 5; Provides: virtual", ask="a") == ["a", "p"]


def test_of_many_providers_the_highest_priority_wins_then_the_name() -> None:
    low, high = "m 1; Provides: v; Priority: optional", "z 1; Provides: v; Priority: required"
    assert names("a 1; Depends: v", low, high, ask="a") == ["a", "z"]
    assert names("a 1; Depends: v", low, "k 1; Provides: v", ask="a") == ["a", "k"]
    assert names("a 1; Depends: v", low, high, "v 1; Priority: extra", ask="a") == ["a", "v"]


def test_a_conflict_turns_the_choice() -> None:
    packages = ("a 1; Depends: b | c, d", "b 1", "c 1", "d 1; Conflicts: b")
    assert names(*packages, ask="a") == ["a", "c", "d"]


def test_a_conflict_with_its_own_virtual_name_is_none() -> None:
    packages = ("mta 1; Provides: mail; Conflicts: mail", "other 1; Provides: mail")
    assert names(*packages, ask="mta") == ["mta"]


def test_a_conflict_without_a_way_out_is_told_in_words() -> None:
    found = problem("a 1; Depends: b", "b 1; Breaks: c (<< 2~)", "c 1.9", ask="a, c")
    assert found.code == "debian.conflict"
    assert "b 1 conflicts with c 1.9 (c (<< 2~))" in found.why
    assert "a 1 needs b" in found.why


def test_an_unknown_package_has_a_suggestion() -> None:
    found = problem("openssh-server 1", ask="openssh-sever")
    assert (found.code, found.fix) == ("debian.no-package", "did you mean openssh-server?")


def test_an_unknown_version_names_those_that_are_there() -> None:
    assert problem("a 1.5", ask="a (>= 2)").why == "there is only 1.5"
    assert names("a 1", "a 2", "a 3", ask="a=2") == ["a"]


def test_a_virtual_name_that_many_provide_must_be_made_clear() -> None:
    found = problem("p 1; Provides: v", "q 1; Provides: v", ask="v")
    assert (found.code, found.why) == ("debian.ambiguous", "provided by p, q")
    assert names("p 1; Provides: v", ask="v") == ["p"]


def test_essential_packages_come_when_asked() -> None:
    packages = ("a 1", "dash 1; Essential: yes", "tar 1; Essential: yes; Depends: c", "c 1")
    assert names(*packages, ask="a") == ["a"]
    assert names(*packages, ask="a", essential=True) == ["a", "c", "dash", "tar"]


def test_excluded_packages_are_never_taken() -> None:
    packages = ("a 1; Depends: b | c", "b 1", "c 1")
    assert names(*packages, ask="a", exclude=["b"]) == ["a", "c"]
    with pytest.raises(DockyardError):
        names(*packages, ask="a", exclude=["b", "c"])


def test_all_problems_are_reported() -> None:
    with pytest.raises(DockyardError) as caught:
        names("a 1", ask="x, a, y")
    assert [item.what for item in caught.value.problems] == [
        "no Debian package provides x",
        "no Debian package provides y",
    ]


def test_old_operators_and_architecture_qualifiers_are_understood() -> None:
    packages = ("a 1; Depends: python3:any (>= 3.1), b (< 2)", "python3 3.2", "b 2")
    assert names(*packages, ask="a") == ["a", "b", "python3"]
