"""primary.xml: what packages say of themselves arrives in the solver as they said it."""

from __future__ import annotations

from pathlib import Path

import pytest
import solv
from hypothesis import given, settings
from hypothesis import strategies as st
from listed_packages import metadata, package

from dockyard.model.packages import Request
from dockyard.packages.pool import PackagePool
from dockyard.packages.rpm.primary import chunk, from_chunks, in_order, primary_xml

KINDS = {
    "provides": solv.SOLVABLE_PROVIDES,
    "requires": solv.SOLVABLE_REQUIRES,
    "conflicts": solv.SOLVABLE_CONFLICTS,
    "obsoletes": solv.SOLVABLE_OBSOLETES,
    "recommends": solv.SOLVABLE_RECOMMENDS,
    "suggests": solv.SOLVABLE_SUGGESTS,
    "supplements": solv.SOLVABLE_SUPPLEMENTS,
    "enhances": solv.SOLVABLE_ENHANCES,
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "text", ["a", "a = 1:2.0-3", "a >= 2~rc1", "a < 1^git", "a <= 0:1-1", "a > 1", "/usr/bin/a&'b'"]
)
def test_a_relation_arrives_as_it_was_written(tmp_path: Path, kind: str, text: str) -> None:
    packages = PackagePool(
        [metadata("x", package("p", "1-1", "noarch", (), **{kind: [text]}))], Request(()), tmp_path
    )
    [found] = packages.pool.solvables
    deps = [dep.str() for dep in found.lookup_deparray(KINDS[kind])]
    assert text.replace("0:1-1", "1-1") in [dep.replace("0:1-1", "1-1") for dep in deps]


def test_a_rich_relation_arrives(tmp_path: Path) -> None:
    rich = "(a >= 1 or (b if c))"
    packages = PackagePool([metadata("x", package("p", requires=[rich]))], Request(()), tmp_path)
    [found] = packages.pool.solvables
    [dep] = found.lookup_deparray(solv.SOLVABLE_REQUIRES)
    assert dep.str() == rich


def test_what_rpm_itself_provides_is_left_out() -> None:
    assert b"rpmlib" not in primary_xml([package("p", requires=["rpmlib(FileDigests) <= 4.6.0-1"])])


def test_names_that_xml_cannot_hold_do_no_harm(tmp_path: Path) -> None:
    odd = package("p", files=["/bell\x07", "/lone\udcff", "/plain"])
    packages = PackagePool([metadata("x", odd)], Request(()), tmp_path)
    found = packages.pool.select("/plain", solv.Selection.SELECTION_FILELIST)
    assert [str(each) for each in found.solvables()] == ["p-1-1.noarch"]


@settings(max_examples=30)
@given(st.permutations([chunk(package(name, version)) for name in "abc" for version in "12"]))
def test_any_order_becomes_the_same(chunks: list[str]) -> None:
    empty = from_chunks([])
    text = empty.replace(b"</metadata>", "".join(chunks).encode() + b"</metadata>")
    assert in_order(text) == from_chunks(chunks).replace(b'packages="6"', b'packages="0"')


@given(st.binary(max_size=80))
def test_bytes_that_are_no_index_stay_as_they_are_or_keep_their_parts(data: bytes) -> None:
    assert sorted(in_order(data)) == sorted(data)
