"""Which line's indentation is wrong, where the parser stumbles over a later one.

A key that is indented too little or too much is valid as such; the parser sees that something is
wrong at the next line. A file's indentation is regular, so the odd line is the one whose column few
others share.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import NamedTuple

_ITEM = re.compile(r"( *)((?:- +)*)\S")


class Line(NamedTuple):
    """A written line. number: from 0. columns: of its list marks and of its text, from 0."""

    number: int
    columns: tuple[int, ...]

    @property
    def text_column(self) -> int:
        return self.columns[-1]


def _lines(text: str) -> list[Line]:
    found = []
    for number, line in enumerate(text.splitlines()):
        match = _ITEM.match(line)
        if match and not line.lstrip().startswith("#"):
            indent = len(match[1])
            marks = [indent + place for place, mark in enumerate(match[2]) if mark == "-"]
            found.append(Line(number, (*marks, indent + len(match[2]))))
    return found


def odd_line(text: str, stumbled: int, outer: int | None) -> Line | None:
    """The line that is out of place, when it is not the one that the parser stumbled over.

    outer: the line and column where the mapping or list around it starts, as the parser says.
    """
    lines = _lines(text)
    place = next((at for at, line in enumerate(lines) if line.number == stumbled), 0)
    if not place:
        return None
    here = lines[place]
    common = Counter(column for line in lines for column in line.columns)
    candidates = [lines[place - 1], *_first_child(lines, place)]
    last = None
    if outer is not None and outer < here.text_column:
        last = next((at for at in range(place - 1, 0, -1) if outer in lines[at].columns), None)
    if last is not None:
        candidates.append(lines[last])
    oddest = min(candidates, key=lambda line: _commonness(line, common))
    if _commonness(oddest, common) < min(3, _commonness(here, common)):
        return oddest
    return lines[last] if last is not None and _breaks_a_row(lines, last, here) else None


def _commonness(line: Line, common: Counter[int]) -> int:
    return common[line.columns[0]]


def _first_child(lines: list[Line], place: int) -> list[Line]:
    """The first line that stands deeper than its parent, before the stumbling one."""
    column = lines[place].columns[0]
    for at in range(place - 1, -1, -1):
        if lines[at].columns[0] < column:
            return [lines[at + 1]] if at + 1 < place else []
    return []


def _breaks_a_row(lines: list[Line], last: int, here: Line) -> bool:
    """Whether a line stands left of its row: lines of one column before it and after it."""
    column = here.columns[0]
    if lines[last].columns[0] >= column:
        return False
    before = next((line for line in reversed(lines[:last]) if line.columns[0] <= column), None)
    return before is not None and column in before.columns
