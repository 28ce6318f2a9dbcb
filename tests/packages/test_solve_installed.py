"""Choosing packages for an image that exists: what comes, what goes, what stays, and why."""

from __future__ import annotations

import datetime
from dataclasses import replace
from pathlib import Path

import pytest
from listed_packages import metadata, package

from dockyard.errors import DockyardError, Position
from dockyard.model.packages import Request
from dockyard.packages.rpm.primary import chunk, from_chunks
from dockyard.packages.rpm.repository import Metadata
from dockyard.packages.solve import Solution, solve

IMAGE = metadata(
    "",
    package("app", "1-1", requires=["lib", "/usr/bin/awk"]),
    package("lib", "1-1"),
    package("mawk", "1-1", files=["/usr/bin/awk"]),
    package("old", "1-1"),
    package("tdnf", "1-1", requires=["lib"]),
    package("kernel", "1-1", "x86_64"),
    package("vendor", "9-1"),
    package("multi", "1-1", "i686"),
)
BASE = metadata(
    "base",
    package("app", "2-1", requires=["lib >= 2", "/usr/bin/awk"]),
    package("lib", "2-1"),
    package("gawk", "5-1", files=["/usr/bin/awk"]),
    package("new", "1-1", obsoletes=["old"], provides=["old = 2"]),
    package("tool", "1-1", requires=["helper"]),
    package("helper", "1-1"),
    package("kernel", "2-1", "x86_64"),
    package("stray", "1-1", conflicts=["lib"]),
    package("broken", "1-1", requires=["nowhere"]),
    package("vendor", "8-1"),
)


def solved(tmp_path: Path, request: Request, *opened: Metadata) -> Solution:
    return solve(request, opened or [BASE], tmp_path, installed=IMAGE)


def told(found: Solution) -> list[str]:
    return [f"{e.act} {e.name} {e.before or '-'} {e.after or '-'}" for e in found.changes]


def refused(tmp_path: Path, request: Request) -> list[str]:
    with pytest.raises(DockyardError) as caught:
        solved(tmp_path, request)
    return [f"{each.code}: {each.what}; {each.why}" for each in caught.value.problems]


@pytest.mark.parametrize(
    ("request_", "changes"),
    [
        (Request(("tool",)), ["install helper - 1-1", "install tool - 1-1"]),
        (Request(("lib",)), ["update lib 1-1 2-1"]),
        (Request(("mawk",)), []),
        (Request((), update=("app",)), ["update app 1-1 2-1", "update lib 1-1 2-1"]),
        (Request((), update=("lib-2-1",)), ["update lib 1-1 2-1"]),
        (Request((), update=("kernel",)), ["beside kernel - 2-1"]),
        (Request(("vendor-8-1",)), ["downgrade vendor 9-1 8-1"]),
        (Request((), update=("vendor",)), []),
        (Request((), remove=("old",)), ["remove old 1-1 -"]),
        (Request((), remove=("app", "mawk")), ["remove app 1-1 -", "remove mawk 1-1 -"]),
        # What comes keeps what would go otherwise.
        (Request(("gawk",), remove=("mawk",)), ["install gawk - 5-1", "remove mawk 1-1 -"]),
        (Request(("new",)), ["install new - 1-1", "remove old 1-1 -"]),
        (Request(("kernel-2-1",), remove=("kernel-1-1",)), ["update kernel 1-1 2-1"]),
        (
            Request((), update_all=True),
            ["beside kernel - 2-1", "install new - 1-1", "remove old 1-1 -",
             "update app 1-1 2-1", "update lib 1-1 2-1"],
        ),
    ],
)  # fmt: skip
def test_what_is_asked_for_changes_and_what_follows_from_it(
    tmp_path: Path, request_: Request, changes: list[str]
) -> None:
    assert sorted(told(solved(tmp_path, request_))) == sorted(changes)


def test_what_needs_a_package_goes_with_it_where_nothing_comes(tmp_path: Path) -> None:
    found = solve(Request((), remove=("mawk",)), [], tmp_path, installed=IMAGE)
    assert told(found) == ["remove app 1-1 -", "remove mawk 1-1 -"]
    assert [(each.asked, each.why) for each in found.changes] == [
        (False, "needs /usr/bin/awk of mawk"),
        (True, "asked for"),
    ]
    assert found.removed == ("app-1-1.noarch", "mawk-1-1.noarch")
    assert not found.packages


def test_every_package_is_told_with_the_reason_that_brings_it(tmp_path: Path) -> None:
    found = solved(tmp_path, Request(("tool", "new"), update=("app",)))
    assert {each.name: each.why for each in found.changes} == {
        "tool": "asked for",
        "helper": "tool needs it",
        "app": "asked for",
        "lib": "app needs it",
        "new": "asked for",
        "old": "new replaces it",
    }


def test_pins_are_of_what_comes_alone(tmp_path: Path) -> None:
    found = solved(tmp_path, Request(("lib",)))
    assert [pin.nevra for pin in found.packages] == ["lib-2-1.noarch"]
    assert found.removed == ("lib-1-1.noarch",)


def test_what_cannot_be_done_is_told_together_with_where_it_was_asked_for(tmp_path: Path) -> None:
    where = {name: Position("f", number) for number, name in enumerate(("gakw", "gon"), 1)}
    request = Request(
        ("gakw",), remove=("gon", "kernle"), update=("tool", "nothing"), wanted_by=where,
        unwanted_by=where,
    )  # fmt: skip
    with pytest.raises(DockyardError) as caught:
        solved(tmp_path, request)
    found = {each.what: (each.code, each.where, each.why) for each in caught.value.problems}
    assert set(found) == {
        "there is no package gakw",
        "there is no package nothing",
        "package gon is not in the image, so it cannot be removed",
        "package kernle is not in the image, so it cannot be removed",
        "package tool is not in the image, so it cannot be updated",
    }
    assert found["there is no package gakw"][1] == Position("f", 1)
    assert "gawk" in found["there is no package gakw"][2]
    gone = found["package gon is not in the image, so it cannot be removed"]
    assert gone[:2] == ("solve.not-installed", Position("f", 2))
    assert "kernel" in found["package kernle is not in the image, so it cannot be removed"][2]


def test_a_request_to_install_removes_nothing(tmp_path: Path) -> None:
    (said,) = refused(tmp_path, Request(("stray",)))
    assert "stray cannot be installed" in said and "conflicts with lib" in said
    assert "in the image" in said
    (said,) = refused(tmp_path, Request(("broken",)))
    assert "nowhere" in said


def test_a_package_that_is_to_come_and_to_go_is_refused(tmp_path: Path) -> None:
    (said,) = refused(tmp_path, Request(("lib",), remove=("lib",)))
    assert said.startswith("solve.contradiction")
    (said,) = refused(tmp_path, Request((), update=("app",), remove=("lib",)))
    assert said.startswith("solve.unsatisfiable")


def test_what_the_image_protects_stays(tmp_path: Path) -> None:
    request = Request((), remove=("lib",), protected=("tdnf", "kernel"))
    (said,) = refused(tmp_path, request)
    assert "removing lib would take the protected tdnf along; tdnf needs lib" in said
    (said,) = refused(tmp_path, Request((), remove=("kernel",), protected=("kernel",)))
    assert "kernel is protected" in said
    # Another version is there afterwards.
    fine = Request(("kernel-2-1",), remove=("kernel-1-1",), protected=("kernel",))
    assert told(solved(tmp_path, fine)) == ["update kernel 1-1 2-1"]


def test_what_stays_behind_when_all_is_updated_is_told(tmp_path: Path) -> None:
    newer = metadata(
        "base",
        package("lib", "2-1", requires=["nowhere"]),
        package("mawk", "2-1", files=["/usr/bin/awk"]),
    )
    found = solved(tmp_path, Request((), update_all=True), newer)
    assert told(found) == ["update mawk 1-1 2-1"]
    assert found.held_back == (("lib-1-1.noarch", "2-1"),)


def timed(times: dict[str, str]) -> Metadata:
    """A repository whose packages have these elements of time, by version."""
    chunks = [
        chunk(package("lib", version)).replace("<summary>", f"{time}<summary>")
        for version, time in times.items()
    ]
    data = from_chunks(chunks)
    return replace(metadata("base"), identity=f"sha256:{len(data)}", primary=lambda: data)


def test_what_was_published_after_a_time_is_not_seen(tmp_path: Path) -> None:
    opened = timed({
        "2-1": '<time file="1000" build="10"/>',
        "3-1": "<time build='1000' file='2000'/>",
        "4-1": '<time file="2001" build="1"/>',
        "5-1": "",
    })  # fmt: skip

    def taken(before: int) -> list[str]:
        request = Request((), update=("lib",), before=before)
        return [pin.evr for pin in solved(tmp_path, request, opened).packages]

    assert taken(999) == []
    assert taken(1000) == taken(1999) == ["2-1"]
    assert taken(2000) == ["3-1"]
    # A package without a time is never seen: nobody knows since when it is there.
    assert taken(4_000_000_000) == ["4-1"]
    later = int(datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC).timestamp())
    opened = timed({"2-1": f'<time file="{later}"/>'})
    with pytest.raises(DockyardError) as caught:
        solved(tmp_path, Request(("lib-2-1",), before=later - 1), opened)
    assert "was published on 2026-01-02" in caught.value.problems[0].why


def test_the_same_request_gives_the_same_answer_in_whatever_order_packages_are_listed(
    tmp_path: Path,
) -> None:
    packages = [package(name, "2-1") for name in ("lib", "mawk", "app", "old")]
    one, other = (metadata("base", *packages, reverse=each) for each in (False, True))
    request = Request((), update_all=True)
    assert solved(tmp_path, request, one) == solved(tmp_path, request, other)
