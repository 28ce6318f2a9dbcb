"""RPM's order of versions against libsolv's."""

from __future__ import annotations

import pytest
import solv
from hypothesis import given
from hypothesis import strategies as st

from dockyard.packages.rpm.version import compare

_PART = st.text(alphabet="0019ab.~^+_", min_size=1, max_size=7)
_EVR = st.builds(lambda version, release: f"{version}-{release}", _PART, _PART)


@pytest.fixture(scope="module")
def pair() -> tuple[solv.XSolvable, solv.XSolvable]:
    pool = solv.Pool()
    repository = pool.add_repo("versions")
    test_pool.append(pool)
    return repository.add_solvable(), repository.add_solvable()


test_pool: list[solv.Pool] = []


@given(_EVR, _EVR)
def test_the_order_is_libsolvs(
    pair: tuple[solv.XSolvable, solv.XSolvable], left: str, right: str
) -> None:
    pair[0].evr, pair[1].evr = left, right
    assert compare(left, right) == pair[0].evrcmp(pair[1])


@pytest.mark.parametrize(
    ("left", "right", "order"),
    [
        ("1.0", "1.0-5", 0),
        ("1:0.1-1", "2.0-1", 1),
        ("1.0~rc1-1", "1.0-1", -1),
        ("1.0^git1-1", "1.0-1", 1),
        ("1.0^git1-1", "1.0.1-1", -1),
        ("1.01-1", "1.1-1", 0),
        ("1.a-1", "1.1-1", -1),
    ],
)
def test_known_cases(left: str, right: str, order: int) -> None:
    assert compare(left, right) == order
    assert compare(right, left) == -order
