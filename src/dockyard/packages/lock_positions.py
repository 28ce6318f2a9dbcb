"""Where in the text of a lock the elements of its lists stand, for messages about them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from dockyard.errors import Position

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]|,')


def positions(text: str, file: str) -> Iterator[tuple[tuple[str, int], Position]]:
    """Where the elements of the top-level lists stand: (key, index) -> position."""
    depth, key, index = 0, "", 0
    for token in _TOKEN.finditer(text):
        mark = token.group()
        if mark in "]}":
            depth -= 1
            continue
        if depth == 1 and mark[0] == '"':
            key, index = json.loads(mark), 0
            yield (key, 0), _position(text, token.start(), file)
        elif depth == 2 and mark == ",":
            index += 1
        elif depth == 2:
            yield (key, index), _position(text, token.start(), file)
        if mark in "[{":
            depth += 1


def _position(text: str, index: int, file: str) -> Position:
    line = text.count("\n", 0, index) + 1
    return Position(file, line, index - text.rfind("\n", 0, index))
