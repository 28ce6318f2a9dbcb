"""The order of Debian versions, by the rules of deb-version(7).

A version is `[epoch:]upstream[-revision]`. Each part is compared run by run: text before digits,
digits by number, `~` before the end of the text, letters before other characters.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TypeAlias

_Part: TypeAlias = tuple[tuple[int, ...] | int, ...]
Key: TypeAlias = tuple[int, _Part, _Part]

_RUNS = re.compile(r"([^0-9]*)([0-9]*)")
_END = 0


@lru_cache(maxsize=1 << 16)
def key(version: str) -> Key:
    """A key that sorts versions as dpkg does; equal keys are equal versions."""
    epoch, colon, rest = version.partition(":")
    if not colon or not (epoch.isascii() and epoch.isdigit()):
        epoch, rest = "0", version
    upstream, _, revision = rest.rpartition("-") if "-" in rest else (rest, "", "")
    return int(epoch), _part(upstream), _part(revision)


def compare(left: str, right: str) -> int:
    """Negative, zero or positive: left is lower, equal or higher."""
    a, b = key(left), key(right)
    return (a > b) - (a < b)


def satisfies(version: str, operator: str, wanted: str) -> bool:
    """Whether a version fits a relation. operator: one of << <= = >= >>."""
    order = compare(version, wanted)
    return {
        "<<": order < 0,
        "<=": order <= 0,
        "=": order == 0,
        ">=": order >= 0,
        ">>": order > 0,
    }[operator]


def _part(text: str) -> _Part:
    runs: list[tuple[int, ...] | int] = []
    for letters, digits in _RUNS.findall(text)[:-1] or [("", "0")]:
        runs += [(*map(_weight, letters), _END), int(digits or 0)]
    # The end sorts as an empty text would: behind `~`, before everything else.
    return (*runs, (_END,))


def _weight(character: str) -> int:
    if character == "~":
        return -1
    return ord(character) if character.isalpha() else ord(character) + 256
