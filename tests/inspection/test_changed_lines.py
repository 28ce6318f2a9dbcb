"""Lines that changed: shown of any text that people write, and never looked for for long."""

from __future__ import annotations

import random
import time

import pytest

from dockyard.inspection.lines import changed_lines

MANY = 50_000


def _numbers(count: int) -> list[str]:
    return [str(number) for number in range(count)]


def test_what_changed_is_shown_with_a_line_around_it() -> None:
    before = _numbers(9)
    after = [*before[:4], "four", *before[5:]]
    assert changed_lines(before, after) == ("@@ -4,3 +4,3 @@", " 3", "-4", "+four", " 5")
    assert changed_lines([], ["new"]) == ("@@ -0,0 +1 @@", "+new")


def test_long_texts_are_shown_where_they_are_much_alike() -> None:
    before = _numbers(MANY)
    after = [line for line in before if int(line) % 1000]
    assert len([line for line in changed_lines(before, after) if line[0] == "-"]) == MANY // 1000


def _of_99(seed: int) -> list[str]:
    chance = random.Random(seed)
    return [str(chance.randrange(99)) for _ in range(MANY)]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (_numbers(MANY), [f"{n}!" if n % 2 else str(n) for n in range(MANY)]),
        (_numbers(MANY), [str(n ^ 1) for n in range(MANY)]),
        (_of_99(1), _of_99(2)),
    ],
    ids=["every second line", "lines in other order", "the same lines again and again"],
)
def test_texts_that_take_the_square_of_their_length_are_left(
    before: list[str], after: list[str]
) -> None:
    begun = time.process_time()
    assert changed_lines(before, after) == ()
    assert time.process_time() - begun < 5  # minutes, if it were tried
