"""The order of Debian versions, against cases of the manual and an independent implementation."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from univers.debian import Version, compare_versions

from dockyard.packages.deb.version import compare, satisfies

ASCENDING = [
    "1.0~~",
    "1.0~~a",
    "1.0~",
    "1.0~beta1~svn1245",
    "1.0~beta1",
    "1.0",
    "1.0-0.1",
    "1.0-1",
    "1.0-1+b1",
    "1.0-1+deb13u1",
    "1.0-10",
    "1.0a",
    "1.0+dfsg",
    "1.0.1",
    "1.2",
    "1.10",
    "1:0.9",
    "2:0",
]


def test_versions_ascend() -> None:
    for low, high in pairwise(ASCENDING):
        assert compare(low, high) < 0, (low, high)
        assert compare(high, low) > 0, (low, high)


@pytest.mark.parametrize(
    ("left", "right"), [("1.0", "1.0-0"), ("0:1", "1"), ("1.00", "1.0"), ("1.", "1.0"), ("a", "a0")]
)
def test_different_texts_may_be_equal_versions(left: str, right: str) -> None:
    assert compare(left, right) == 0


part = st.from_regex(r"[0-9][0-9a-zA-Z.+~]{0,8}", fullmatch=True)
revision = st.from_regex(r"(-[0-9a-zA-Z.+~]{1,5})?", fullmatch=True)
epoch = st.sampled_from(["", "0:", "1:", "10:"])
version = st.builds(lambda e, p, r: e + p + r, epoch, part, revision)


def oracle(left: str, right: str) -> int:
    wanted = compare_versions(Version.from_string(left), Version.from_string(right))  # type: ignore[no-untyped-call]
    return int(wanted > 0) - int(wanted < 0)


@given(version, version)
def test_the_order_is_that_of_dpkg(left: str, right: str) -> None:
    assert compare(left, right) == oracle(left, right)


def test_operators() -> None:
    assert satisfies("1.0", "=", "1.0-0")
    assert satisfies("1.0~rc1", "<<", "1.0")
    assert not satisfies("1.0", ">>", "1.0")
    assert satisfies("1:0", ">=", "99")
