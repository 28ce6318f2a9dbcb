"""Whether there is room for an image is said before any work: a warning where it may be too little,
an error where it surely is.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from desk import Desk
from dockyard.errors import DockyardError, Problem
from dockyard.host import storage
from dockyard.pipeline import output_room
from dockyard.pipeline.arguments.names import FILESYSTEM
from dockyard.pipeline.build import PlannedImage

MIB = 1 << 20
DISK = 1154 * MIB


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.chdir(tmp_path)
    return Desk(tmp_path)


def with_free(free: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "free_space", lambda _: free)


def told(planned: PlannedImage) -> list[Problem]:
    return [each for each in planned.remarks if each.code == "build.no-room"]


def test_what_a_disk_takes_at_most_is_held_against_the_room(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    for free, expected in ((DISK + 40 * MIB, 0), (None, 0), (DISK - MIB, 1), (10 * MIB, 1)):
        with_free(free, monkeypatch)
        assert len(told(desk.plan())) == expected
    (problem,) = told(desk.plan())
    assert problem.what == "the image may take up to 1154M, and 10M are free there"
    assert problem.where == str(desk.root)
    assert desk.plan("tar").room == ()


def test_what_parts_take_is_known_when_they_are_there(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned = desk.plan("raw")
    parts = dict.fromkeys(("filesystem-esp", "filesystem-root", "swap-swap"))
    text = "x" * 100 * MIB
    desk.pretend(planned, {name: {FILESYSTEM: text} for name in parts})
    with_free(400 * MIB, monkeypatch)
    assert desk.plan("raw").room == ()
    assert len(desk.plan("qcow2").room) == 1
    with_free(290 * MIB, monkeypatch)
    assert len(told(desk.plan("raw"))) == 1  # it may share blocks with the store
    monkeypatch.setattr(output_room, "_device", lambda *_: -1)
    planned = desk.plan("raw")
    assert not told(planned)
    with pytest.raises(DockyardError) as caught:
        planned.require_placeable(desk.store)
    (problem,) = caught.value.problems
    assert problem.code == "build.no-room"
    assert re.search("takes 30[01]M, and 290M are free", problem.what)
