"""RPM's order of versions: `rpmvercmp` and the comparison of epoch, version and release.

Runs of digits compare as numbers, runs of letters as text, digits beat letters, `~` sorts before
the end and `^` after it but before anything else; all other characters only part the runs.
"""

from __future__ import annotations

import re

_PART = re.compile(r"[0-9]+|[A-Za-z]+|~|\^")


def compare_parts(left: str, right: str) -> int:
    """-1, 0 or 1: the order of two versions or two releases (rpmvercmp)."""
    if left == right:
        return 0
    ours, theirs = _PART.findall(left), _PART.findall(right)
    for index in range(max(len(ours), len(theirs))):
        one = ours[index] if index < len(ours) else ""
        two = theirs[index] if index < len(theirs) else ""
        if one == two:
            continue
        order = _special(one, two) or _plain(one, two)
        # Runs of digits may differ in text and be equal: 01 and 1.
        if order:
            return order
    return 0


def _special(one: str, two: str) -> int:
    """The order where one side has a tilde, a caret, or nothing; 0 when neither has."""
    if "~" in (one, two):
        return -1 if one == "~" else 1
    if one == "^":
        return 1 if not two else -1
    if two == "^":
        return -1 if not one else 1
    if not one or not two:
        return 1 if one else -1
    return 0


def _plain(one: str, two: str) -> int:
    if one.isdigit() != two.isdigit():
        return 1 if one.isdigit() else -1
    if one.isdigit():
        first, second = int(one), int(two)
        return (first > second) - (first < second)
    return (one > two) - (one < two)


def split(evr: str) -> tuple[int, str, str | None]:
    """Epoch, version and release of `[epoch:]version[-release]`; the release may be missing."""
    epoch, colon, rest = evr.partition(":")
    if not colon or not epoch.isdigit():
        epoch, rest = "0", evr
    version, dash, release = rest.rpartition("-")
    return (int(epoch), version, release) if dash else (int(epoch), rest, None)


def compare(left: str, right: str) -> int:
    """-1, 0 or 1: the order of two `[epoch:]version[-release]`. A missing release equals any."""
    one, two = split(left), split(right)
    if one[0] != two[0]:
        return 1 if one[0] > two[0] else -1
    order = compare_parts(one[1], two[1])
    if order or one[2] is None or two[2] is None:
        return order
    return compare_parts(one[2], two[2])
