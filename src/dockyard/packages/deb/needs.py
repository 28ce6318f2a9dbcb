"""Reads relations back out of a pool of ranks (see `index`): groups as their alternatives.

libsolv prints a group as `(a or =b >= 12 or c)`; its bindings do not give the parts in order.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import solv

from dockyard.packages.deb.index import Index

_DEP = re.compile(r"^(=?)(\S+)(?: ([<=>]+) (\d+))?$")
_OPERATORS = {"<": "<<", ">": ">>"}


@dataclass(frozen=True, slots=True)
class Need:
    """One alternative of a group. operator: as dpkg writes it, or "". rank: in the pool."""

    name: str
    operator: str
    rank: str
    dep: solv.Dep

    def version(self, index: Index) -> str:
        """The version that the rank stands for, or "" for a bare relation."""
        return index.version_of(self.name, self.rank) if self.operator else ""

    def plain(self, index: Index) -> str:
        """The relation as a person writes it."""
        return (
            f"{self.name} ({self.operator} {self.version(index)})" if self.operator else self.name
        )


def alternatives(index: Index, text: str) -> list[Need]:
    """The alternatives of a relation as libsolv prints it, in order."""
    return [_need(index.pool, part) for part in text.strip("()").split(" or ")]


def depends(index: Index, solvable: solv.XSolvable) -> list[list[Need]]:
    """The groups that a package needs."""
    found = solvable.lookup_deparray(solv.SOLVABLE_REQUIRES)
    return [alternatives(index, str(dep)) for dep in found]


def conflicts(index: Index, solvable: solv.XSolvable) -> list[Need]:
    """What a package conflicts with or breaks."""
    found = solvable.lookup_deparray(solv.SOLVABLE_CONFLICTS)
    return [alternatives(index, str(dep))[0] for dep in found]


def _need(pool: solv.Pool, text: str) -> Need:
    match = _DEP.match(text)
    if match is None:
        return Need(text, "", "", pool.Dep(text))
    exact, name, operator, rank = match.groups()
    dep = pool.Dep(exact + name)
    if not operator:
        return Need(name, "", "", dep)
    flags = (
        (solv.REL_LT if "<" in operator else 0)
        | (solv.REL_EQ if "=" in operator else 0)
        | (solv.REL_GT if ">" in operator else 0)
    )
    return Need(name, _OPERATORS.get(operator, operator), rank, dep.Rel(flags, pool.Dep(rank)))
