"""Chooses Debian packages for a request, as apt would.

Two steps. A walk takes, from the request on, everything that is certain, then for each group of
alternatives that nothing satisfies yet the first one that the archive has (for a virtual name: the
provider of the highest priority, then the first by name). libsolv then says whether these packages
can be there together. Where they cannot, it solves the request itself and favours them.
"""

from __future__ import annotations

import difflib
from collections import deque
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

import solv

from dockyard.errors import DockyardError, Position, Problem
from dockyard.packages.deb.index import Candidate, Index
from dockyard.packages.deb.needs import alternatives
from dockyard.packages.deb.relations import DebRelation, group
from dockyard.packages.deb.version import satisfies

_JOB = solv.Job
_RULES = solv.Solver


@dataclass(frozen=True, slots=True)
class Wish:
    """One thing that is asked for: `name`, `name=version` or `name (>= version)`; a virtual name
    will do. where: who asks.
    """

    text: str
    where: Position | str | None = None

    @property
    def relation(self) -> DebRelation:
        name, equals, version = self.text.partition("=")
        if equals and "(" not in name:
            return DebRelation(name.strip(), "=", version.strip())
        found = group(self.text)
        return found[0] if found else DebRelation(self.text)


def solve(
    index: Index,
    wishes: Sequence[Wish],
    *,
    essential: bool = False,
    exclude: Iterable[str] = (),
) -> list[Candidate]:
    """The packages that satisfy all wishes and their dependencies, sorted by name.

    essential: take the essential packages too, which dependencies do not name. exclude: names
    that must not be taken. Recommended packages are never taken. Raises DockyardError
    (`debian.no-package`, `debian.conflict`) with every problem that was found.
    """
    names = index.essential() if essential else []
    wanted = [*wishes, *(Wish(name, "essential packages") for name in names)]
    excluded = frozenset(exclude)
    chosen = [choices(index, wish, excluded) for wish in wanted]
    problems = [
        problem
        for wish, found in zip(wanted, chosen, strict=True)
        if (problem := no_package(index, wish, found, excluded) or unclear(wish, found))
    ]
    if problems:
        raise DockyardError(*problems)
    walked = Walk(index, excluded).run(chosen)
    solver = index.pool.Solver()
    solver.set_flag(_RULES.SOLVER_FLAG_IGNORE_RECOMMENDED, 1)
    if solver.solve(_install([[solvable] for solvable in walked], index, excluded)):
        favoured = [_job(index, _JOB.SOLVER_FAVOR, solvable) for solvable in walked]
        failed = solver.solve([*_install(chosen, index, excluded), *favoured])
        if failed:
            raise DockyardError(*(explain(index, problem) for problem in failed))
    return sorted(
        (index.candidate(solvable) for solvable in solver.transaction().newsolvables()),
        key=lambda found: (found.name, found.architecture),
    )


def choices(index: Index, wish: Wish, excluded: frozenset[str]) -> list[solv.XSolvable]:
    """The solvables that fulfil a wish, the best first."""
    relation = wish.relation
    found = list(index.pool.whatprovides(index.pool.Dep(relation.name)))
    if relation.operator:
        found = [
            solvable
            for solvable in found
            if solvable.name == relation.name
            and satisfies(index.candidate(solvable).version, relation.operator, relation.version)
        ]
    elif any(solvable.name == relation.name for solvable in found):
        found = [solvable for solvable in found if solvable.name == relation.name]
    found = [solvable for solvable in found if solvable.name not in excluded]
    return ranked(index, relation.name, found)


def ranked(index: Index, name: str, found: Iterable[solv.XSolvable]) -> list[solv.XSolvable]:
    """The providers of a name by preference: a package of that very name first, in its highest
    version; then by priority and name.
    """

    def order(solvable: solv.XSolvable) -> tuple[bool, int, str, int, int]:
        candidate = index.candidate(solvable)
        own = solvable.name == name
        # The rank is the version's place in dpkg's order.
        return (not own, candidate.priority, solvable.name, -int(solvable.evr), solvable.id)

    return sorted(found, key=order)


@dataclass
class Walk:
    """Follows dependencies the way apt marks packages."""

    index: Index
    excluded: frozenset[str]
    chosen: dict[str, solv.XSolvable] = field(default_factory=dict)
    _sure: deque[solv.XSolvable] = field(default_factory=deque)
    _open: deque[str] = field(default_factory=deque)

    def run(self, choices: Sequence[Sequence[solv.XSolvable]]) -> list[solv.XSolvable]:
        for found in sorted(choices, key=len):
            if not any(self._has(solvable) for solvable in found):
                self._take(found[0])
        while self._sure or self._open:
            while self._sure:
                self._open.extend(self._needs(self._sure.popleft()))
            if self._open:
                self._settle(self._open.popleft())
        return list(self.chosen.values())

    def _needs(self, solvable: solv.XSolvable) -> list[str]:
        """Take what a package needs without a choice; gives the groups with one."""
        later: list[str] = []
        for dep in solvable.lookup_deparray(solv.SOLVABLE_REQUIRES):
            found = self._providers(dep)
            names = {item.name for item in found}
            if len(names) == 1:
                if not any(self._has(item) for item in found):
                    self._take(ranked(self.index, names.pop(), found)[0])
            elif names:
                later.append(str(dep))
        return later

    def _settle(self, text: str) -> None:
        """Choose for a group, unless what is chosen already satisfies it."""
        options = [
            (need.name, self._providers(need.dep)) for need in alternatives(self.index, text)
        ]
        if any(self._has(item) for _, found in options for item in found):
            return
        for name, found in options:
            if found:
                self._take(ranked(self.index, name, found)[0])
                return

    def _providers(self, dep: solv.Dep) -> list[solv.XSolvable]:
        found = self.index.pool.whatprovides(dep)
        return [item for item in found if item.name not in self.excluded]

    def _has(self, solvable: solv.XSolvable) -> bool:
        found = self.chosen.get(solvable.name)
        return found is not None and found.id == solvable.id

    def _take(self, solvable: solv.XSolvable) -> None:
        if solvable.name not in self.chosen:
            self.chosen[solvable.name] = solvable
            self._sure.append(solvable)


def _install(
    choices: Sequence[Sequence[solv.XSolvable]], index: Index, excluded: frozenset[str]
) -> list[solv.Job]:
    """Jobs that install one of each choice and none of the excluded names."""
    pool = index.pool
    jobs = []
    for found in choices:
        if len(found) == 1:
            jobs.append(_job(index, _JOB.SOLVER_INSTALL, found[0]))
        else:
            ids = pool.towhatprovides([solvable.id for solvable in found])
            jobs.append(pool.Job(_JOB.SOLVER_INSTALL | _JOB.SOLVER_SOLVABLE_ONE_OF, ids))
    for name in sorted(excluded):
        jobs.append(pool.Job(_JOB.SOLVER_LOCK | _JOB.SOLVER_SOLVABLE_NAME, pool.str2id(name)))
    return jobs


def _job(index: Index, action: int, solvable: solv.XSolvable) -> solv.Job:
    return index.pool.Job(action | _JOB.SOLVER_SOLVABLE, solvable.id)


def unclear(wish: Wish, found: Sequence[solv.XSolvable]) -> Problem | None:
    """The problem of a wish that names only something that several packages provide."""
    listed = list(dict.fromkeys(solvable.name for solvable in found))
    if len(listed) < 2 or wish.relation.name in listed:
        return None
    shown = ", ".join(listed[:8]) + (", …" if len(listed) > 8 else "")
    return Problem(
        code="debian.ambiguous",
        what=f"{wish.text} is not a package; several packages provide it",
        where=wish.where,
        why=f"provided by {shown}",
        fix="name one of them",
    )


def no_package(
    index: Index, wish: Wish, found: Sequence[solv.XSolvable], excluded: Collection[str]
) -> Problem | None:
    """The problem of a wish that nothing fulfils."""
    if found:
        return None
    relation = wish.relation
    there = index.named(relation.name)
    if wish.text in excluded:
        why, fix = "it is asked for and excluded", "drop one of the two"
    elif there:
        why = "there is only " + ", ".join(sorted({item.version for item in there}))
        fix = "ask for another version"
    else:
        why = ""
        names = {solvable.name for solvable in index.pool.solvables}
        close = difflib.get_close_matches(relation.name, sorted(names), 3, 0.8)
        fix = f"did you mean {' or '.join(close)}?" if close else "correct the name"
    return Problem(
        code="debian.no-package",
        what=f"no Debian package provides {relation}",
        where=wish.where,
        why=why,
        fix=fix,
    )


def explain(index: Index, problem: solv.Problem) -> Problem:
    """A solver's problem in plain words."""
    lines: dict[str, None] = {}
    for rule in problem.findallproblemrules():
        for info in rule.allinfos():
            if text := _words(index, info):
                lines[text] = None
    return Problem(
        code="debian.conflict",
        what="the requested packages conflict with each other",
        why="\n".join(sorted(lines)),
        fix="leave out one of the packages named above",
    )


def _words(index: Index, info: solv.Ruleinfo) -> str:
    def version_of(solvable: solv.XSolvable | None) -> str:
        return f"{solvable.name} {index.candidate(solvable).version}" if solvable else "?"

    need = _plain(index, str(info.dep)) if info.dep_id else ""
    kind = info.type
    if kind == _RULES.SOLVER_RULE_PKG_NOTHING_PROVIDES_DEP:
        return f"{version_of(info.solvable)} needs {need}, which no package provides"
    if kind == _RULES.SOLVER_RULE_PKG_REQUIRES:
        return f"{version_of(info.solvable)} needs {need}"
    if kind == _RULES.SOLVER_RULE_PKG_CONFLICTS:
        return (
            f"{version_of(info.solvable)} conflicts with {version_of(info.othersolvable)} ({need})"
        )
    if kind == _RULES.SOLVER_RULE_PKG_SAME_NAME:
        pair = sorted((version_of(info.solvable), version_of(info.othersolvable)))
        return f"only one of {pair[0]} and {pair[1]} can be there"
    return ""


def _plain(index: Index, text: str) -> str:
    """A relation with its version in place of the rank."""
    return " or ".join(need.plain(index) for need in alternatives(index, text))
