"""The page on the architecture shows the house as it is: rooms, arrows, and the names it uses."""

from __future__ import annotations

import re
import sys
from importlib import import_module

from snippets import ROOT

sys.path.append(str(ROOT / "scripts"))
import draw_architecture as drawn

ANEW = "regenerate it with scripts/generate-docs"


def test_the_table_of_rooms_is_current() -> None:
    page = drawn.PAGE.read_text()
    assert drawn.page_with_table(page) == page, ANEW
    rooms = {
        each.name for each in (ROOT / "src/dockyard").iterdir() if (each / "__init__.py").exists()
    }
    assert {room for floor in drawn.floors() for room in floor} == {*rooms, "errors"}


def test_the_pictures_are_current() -> None:
    assert drawn.ROOMS.read_text() == drawn.rooms_picture(), ANEW
    assert drawn.BUILD.read_text() == drawn.build_picture(), ANEW


def test_no_room_imports_one_of_its_own_floor_or_above() -> None:
    floors = drawn.floors()
    height = {room: number for number, floor in enumerate(floors) for room in floor}
    uses = drawn.imported()
    assert uses["pipeline"] and not uses["errors"]
    for room, others in uses.items():
        assert all(height[other] > height[room] for other in others), room


def test_what_the_picture_of_a_build_names_is_there() -> None:
    named = set(re.findall(r">(\w+\.\w+): (\w+)<", drawn.build_picture()))
    assert len(named) == 7
    for module, name in named:
        assert hasattr(import_module(f"dockyard.{module}"), name)


def test_what_the_page_names_in_a_module_is_there() -> None:
    """A name in code right before a link to the module that has it, or in its text."""
    page = re.sub(r"\s+", " ", drawn.PAGE.read_text())
    found = re.findall(r"`(\w+)` (?:of|in) \[`[\w./]+`\]\(\.\./(src/[\w./]+\.py)\)", page)
    assert len(found) >= 5
    for name, path in found:
        assert re.search(rf"^(class |def )?{name}\b", (ROOT / path).read_text(), re.M), name
