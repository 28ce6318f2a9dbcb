"""The lines that changed in a text, for texts of anybody's making."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Sequence

_MOST_WORK = 60_000_000  # a second or two
_POPULAR_FROM = 200  # lines, from which on difflib looks away from those that are one in a hundred


def changed_lines(before: Sequence[str], after: Sequence[str]) -> tuple[str, ...]:
    """A unified diff without its head; nothing where it could take longer than a few seconds."""
    if _work(before, after) > _MOST_WORK:
        return ()
    return tuple(difflib.unified_diff(before, after, lineterm="", n=1))[2:]


def _work(before: Sequence[str], after: Sequence[str]) -> int:
    """How many pairs of lines difflib may look at, about. For every run of lines that are the same
    it may go through all: a text in which every second line changed takes the square of its length.
    """
    counts = Counter(after)
    most = len(after) // 100 + 1 if len(after) >= _POPULAR_FROM else len(after)
    rare = [line for line in before if counts[line] <= most]
    there = set(_threes(line for line in after if counts[line] <= most))
    breaks = sum(each not in there for each in _threes(rare))
    return (len(before) + sum(counts[line] for line in rare)) * (1 + breaks)


def _threes(lines: Iterable[str]) -> Iterable[tuple[str, str, str]]:
    """All lines with the two that follow them."""
    found = list(lines)
    return zip(found, found[1:], found[2:], strict=False)
