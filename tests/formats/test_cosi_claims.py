"""Whatever the metadata of a COSI file say, the disk comes out or a reason does, and no more room
is taken than the disk has.
"""

from __future__ import annotations

import copy
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from test_cosi_reader import Made, disk

from dockyard.errors import DockyardError
from dockyard.formats.cosi_reader import read_disk

_VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-1, 10),
    st.sampled_from([511, 512, 1 << 20, (1 << 63) - 1, 1 << 64, -(1 << 64), 10**30]),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(["images/", "images/1", "/etc/passwd", "images/../../x", "primary-gpt", "1.2"]),
    st.lists(st.none(), max_size=2),
    st.dictionaries(st.text(max_size=5), st.none(), max_size=2),
)


def places(value: Any, at: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """The paths of all values within one."""
    found = [at] if at else []
    items: dict[str | int, Any] = {}
    if isinstance(value, dict | list):
        items = dict(value.items() if isinstance(value, dict) else enumerate(value))
    for key, below in items.items():
        found += places(below, (*at, key))
    return found


_SOUND = Made()
_PLACES = places(_SOUND.told)


def changed(told: Any, at: tuple[str | int, ...], value: Any) -> Any:
    made = copy.deepcopy(told)
    below = made
    for key in at[:-1]:
        below = below[key]
    below[at[-1]] = value
    return made


@given(st.lists(st.tuples(st.sampled_from(_PLACES), _VALUES), min_size=1, max_size=2))
def test_metadata_that_lie(lies: list[tuple[tuple[str | int, ...], Any]]) -> None:
    made = Made()
    for at, value in lies:
        try:
            made.told = changed(made.told, at, value)
        except (KeyError, IndexError, TypeError):
            continue  # the first lie took the place of the second
    with TemporaryDirectory() as name:
        folder = Path(name)
        image, out = made.write(folder / "image"), folder / "disk"
        try:
            size = read_disk(image, out)
        except DockyardError as error:
            assert error.problems[0].code == "image.not-a-disk"
        else:
            assert out.stat().st_size == size
            assert out.read_bytes() == disk()
        assert {each.name for each in folder.iterdir()} <= {"image", "disk"}
