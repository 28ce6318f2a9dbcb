"""Relations between Debian packages, as in Debian Policy chapter 7.

`Depends: a (>= 1) | b, c` is a list of groups, each a list of alternatives. Architecture qualifiers
(`python3:any`) say which foreign architecture would do; with one architecture they say nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_RELATION = re.compile(
    r"\s*([a-zA-Z0-9][a-zA-Z0-9+.\-]*)(?::[a-z0-9\-]+)?\s*(?:\(\s*(<<|<=|=|>=|>>|<|>)\s*([^\s)]+)\s*\))?"
)
# Policy 7.1: the old forms `<` and `>` mean `<=` and `>=`.
_OLD = {"<": "<=", ">": ">="}


@dataclass(frozen=True, slots=True)
class DebRelation:
    """A package name, with an operator and a version or two empty texts."""

    name: str
    operator: str = ""
    version: str = ""

    def __str__(self) -> str:
        return f"{self.name} ({self.operator} {self.version})" if self.operator else self.name


Alternatives = tuple[DebRelation, ...]
"""Alternatives, in order of preference."""


def groups(field: str) -> list[str]:
    """The groups of a relation field, as texts."""
    return [text for part in field.split(",") if (text := part.strip())]


def group(text: str) -> Alternatives:
    """The alternatives of one group. What cannot be read is left out."""
    found: list[DebRelation] = []
    for part in text.split("|"):
        match = _RELATION.match(part)
        if match:
            name, operator, version = match.groups()
            found.append(DebRelation(name, _OLD.get(operator, operator) or "", version or ""))
    return tuple(found)


def relations(field: str) -> list[Alternatives]:
    """All groups of a relation field."""
    return [group(text) for text in groups(field)]
