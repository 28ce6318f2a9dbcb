"""Chooses packages: libsolv over opened repositories, always the same answer for the same input.

One function serves images that are made from nothing and those that exist: what is installed is
empty, or a repository like others whose packages stay unless the request, or what follows from it,
has them go. A request to remove takes along what needs the package, unless something that comes
provides the same; a request to install or update removes nothing.

A request's items are names, globs over names, NEVRAs (in whole or in part), `name >= version`,
provides, absolute paths, or groups (`rpm.comps`); the best candidate is taken or the request fails.
Weak dependencies are left out unless the request wants them. Lists of files are loaded only when a
path is asked for that the primary metadata does not know.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import solv

from dockyard.errors import DockyardError, Problem
from dockyard.model.package_change import PackageChange
from dockyard.model.packages import Pin, Request
from dockyard.packages import explain
from dockyard.packages.changes import changes_of
from dockyard.packages.pool import PackagePool
from dockyard.packages.rpm import comps
from dockyard.packages.rpm.comps import Comps, Group
from dockyard.packages.rpm.primary import IndexedPackage, primary_xml
from dockyard.packages.rpm.repository import Metadata

# Packages of which several versions may be installed side by side: those that dnf treats so.
_SIDE_BY_SIDE = (
    "kernel",
    "installonlypkg(kernel)",
    "installonlypkg(kernel-module)",
    "installonlypkg(vm)",
    "multiversion(kernel)",
)


@dataclass(frozen=True, slots=True)
class Solution:
    """The packages that fulfil a request, sorted: all of them, or those that come to what is
    installed.

    answers: (item, name of a package that answers it) for items that are no package's name.
    removed: what is installed and goes, by being updated or replaced, too (NEVRAs). changes: both
    in a person's terms. held_back: (package that stays as it is, its newest version that is there).
    newest: Unix seconds, when the newest of the packages was built, where their metadata says that.
    """

    packages: tuple[Pin, ...]
    answers: tuple[tuple[str, str], ...]
    removed: tuple[str, ...] = ()
    changes: tuple[PackageChange, ...] = ()
    held_back: tuple[tuple[str, str], ...] = ()
    newest: int = 0


def solve(
    request: Request,
    opened: Sequence[Metadata],
    cache: Path,
    *,
    keep: Sequence[Pin] = (),
    kept: Sequence[tuple[Pin, IndexedPackage]] = (),
    installed: Metadata | None = None,
) -> Solution:
    """The packages that fulfil a request; pins are by file digest.

    cache: a directory for parsed metadata. keep: pins of the metadata that are to stay as they
    are; only when no answer has them all may some of them move. kept: pins to stay that the
    metadata no longer lists, with their descriptions. installed: what is there already.
    Raises DockyardError with every problem: `solve.not-found`, `solve.not-installed`,
    `solve.unsatisfiable`, `solve.protected`.
    """
    attempts = [(files, hard) for hard in (True, False) for files in (False, True)]
    failure: DockyardError | None = None
    for filelists, hard in attempts:
        if not hard and not (keep or kept):
            continue
        if filelists and not (failure and _wants_files(failure, opened)):
            continue
        attempt = _Attempt(request, opened, cache, filelists, kept, installed)
        try:
            return attempt.run(keep, hard=hard)
        except DockyardError as error:
            failure = error
    assert failure is not None  # the first attempt is always made
    raise failure


def _wants_files(failure: DockyardError, opened: Sequence[Metadata]) -> bool:
    return any(one.filelists for one in opened) and any(
        isinstance(problem, explain.MissingPath) for problem in failure.problems
    )


class _Attempt:
    def __init__(
        self,
        request: Request,
        opened: Sequence[Metadata],
        cache: Path,
        filelists: bool,
        kept: Sequence[tuple[Pin, IndexedPackage]],
        installed: Metadata | None,
    ) -> None:
        self._request = request
        self._kept = {(pin.name, pin.evr, pin.arch): pin for pin, _ in kept}
        index = (lambda: primary_xml(each for _, each in kept)) if kept else None
        self._packages = PackagePool(
            opened, request, cache, filelists=filelists, kept=index, installed=installed
        )
        self._wanted: dict[str, frozenset[int]] = {}
        self._unwanted: dict[str, frozenset[int]] = {}
        self._opened = opened
        self._groups: dict[str, Group] = {}
        self._known: list[Comps] = []
        self._asked: set[tuple[str, str]] = set()
        self._problems: list[Problem] = []

    def run(self, keep: Sequence[Pin], *, hard: bool) -> Solution:
        jobs = self._kept_jobs(keep, hard)
        best = 0 if keep or self._kept else solv.Job.SOLVER_FORCEBEST
        jobs += self._install_jobs(best)
        jobs += self._update_jobs(best)
        jobs += self._remove_jobs()
        if self._problems:
            raise DockyardError(*self._problems)
        transaction = self._solved(jobs)
        while more := self._conditional_jobs(transaction.newsolvables()):
            jobs += more
            transaction = self._solved(jobs)
        taken = transaction.newsolvables()
        gone = [each for each in transaction.steps() if self._packages.is_installed(each)]
        if stopped := explain.protected(gone, taken, self._unwanted, self._packages):
            raise DockyardError(*stopped)
        return Solution(
            tuple(sorted(map(self._pin, taken))),
            _answers(self._wanted, taken),
            tuple(sorted(map(str, gone))),
            changes_of(self._packages, taken, gone, self._wanted, self._unwanted),
            self._held_back(taken, gone),
            max((each.lookup_num(solv.SOLVABLE_BUILDTIME) for each in taken), default=0),
        )

    def _solved(self, jobs: Sequence[Any]) -> Any:
        """The transaction that does some jobs."""
        solver = self._solver()
        if found := solver.solve([*jobs, *self._side_by_side()]):
            raise DockyardError(
                *explain.unsatisfiable(found, self._wanted | self._unwanted, self._packages)
            )
        return solver.transaction()

    def _group_jobs(self, item: str) -> list[Any]:
        """A job for each package of a group that may be chosen here; those that no repository has
        for this architecture, or that are excluded, are not its members.
        """
        if not self._known:
            self._known.append(comps.together(each.groups() for each in self._opened))
        group = self._known[0].members(item) if comps.choice_of(item) in comps.CHOICES else None
        if group is None:
            self._problems.append(explain.no_group(item, self._known[0].items, self._request))
            return []
        self._groups[item] = group
        jobs = self._member_jobs(item, (*group.mandatory, *group.default, *group.optional))
        if not jobs:
            self._problems.append(explain.empty_group(item, self._request))
        return jobs

    def _member_jobs(self, item: str, names: Iterable[str]) -> list[Any]:
        jobs = []
        for name in names:
            found = self._packages.pool.select(name, solv.Selection.SELECTION_NAME)
            here = {e.id for e in found.solvables() if e.id not in self._packages.left_out}
            if here:
                self._wanted[item] = self._wanted.get(item, frozenset()) | here
                jobs += found.jobs(solv.Job.SOLVER_INSTALL)
        return jobs

    def _conditional_jobs(self, taken: Sequence[Any]) -> list[Any]:
        """Jobs for the conditional packages of groups whose condition came true."""
        names = {each.name for each in (*taken, *self._packages.installed)}
        jobs = []
        for item, group in self._groups.items():
            due = [name for needs, name in group.conditional if needs in names - {name}]
            new = [name for name in due if name not in names and (item, name) not in self._asked]
            self._asked |= {(item, name) for name in new}
            jobs += self._member_jobs(item, new)
        return jobs

    def _solver(self) -> Any:
        solver = self._packages.pool.Solver()
        solver.set_flag(solv.Solver.SOLVER_FLAG_IGNORE_RECOMMENDED, int(not self._request.weak))
        return solver

    def _side_by_side(self) -> list[Any]:
        pool = self._packages.pool
        how = solv.Job.SOLVER_MULTIVERSION | solv.Job.SOLVER_SOLVABLE_PROVIDES
        return [pool.Job(how, pool.Dep(name).id) for name in _SIDE_BY_SIDE]

    def _install_jobs(self, best: int) -> list[Any]:
        jobs: list[Any] = []
        for item in sorted(set(self._request.install)):
            if comps.is_group(item):
                jobs += self._group_jobs(item)
                continue
            selection = select(self._packages.pool, item)
            if selection.isempty():
                self._problems.append(explain.not_found(item, self._packages))
                continue
            self._wanted[item] = frozenset(each.id for each in selection.solvables())
            jobs += selection.jobs(solv.Job.SOLVER_INSTALL | best)
        return jobs

    def _update_jobs(self, best: int) -> list[Any]:
        pool = self._packages.pool
        jobs: list[Any] = []
        if self._request.update_all:
            jobs.append(pool.Job(solv.Job.SOLVER_UPDATE | solv.Job.SOLVER_SOLVABLE_ALL, 0))
        names = {each.name for each in self._packages.installed}
        for item in sorted(set(self._request.update)):
            selection = select(pool, item)
            chosen = [each for each in selection.solvables() if each.name in names]
            if not chosen:
                problem = explain.not_found if selection.isempty() else explain.not_installed
                self._problems.append(problem(item, self._packages))
                continue
            self._wanted[item] = frozenset(each.id for each in chosen)
            jobs += selection.jobs(solv.Job.SOLVER_UPDATE | best)
        return jobs

    def _remove_jobs(self) -> list[Any]:
        pool = self._packages.pool
        jobs: list[Any] = []
        for item in sorted(set(self._request.remove)):
            selection = select(pool, item, solv.Selection.SELECTION_INSTALLED_ONLY)
            if selection.isempty():
                self._problems.append(explain.not_installed(item, self._packages, remove=True))
                continue
            if item in self._request.install or item in self._request.update:
                self._problems.append(explain.contradiction(item, self._request))
                continue
            self._unwanted[item] = frozenset(each.id for each in selection.solvables())
            # Neither is the same to come in another version, where that was not excepted.
            names = {each.name for each in selection.solvables()}
            others = {each.id for each in select(pool, item).solvables() if each.name in names}
            how = solv.Job.SOLVER_ERASE | solv.Job.SOLVER_SOLVABLE
            jobs += [pool.Job(how, each) for each in sorted(others | self._unwanted[item])]
        if not jobs or self._problems:
            return jobs
        # What needs these may go as well: what would go if nothing could come.
        solver = self._solver()
        solver.set_flag(solv.Solver.SOLVER_FLAG_ALLOW_UNINSTALL, 1)
        how = solv.Job.SOLVER_LOCK | solv.Job.SOLVER_SOLVABLE
        frozen = [pool.Job(how, each.id) for each in self._packages.available()
                  if not self._packages.is_installed(each)]  # fmt: skip
        if solver.solve([*jobs, *frozen, *self._side_by_side()]):
            return jobs  # the whole request says why
        may = solv.Job.SOLVER_ALLOWUNINSTALL | solv.Job.SOLVER_SOLVABLE
        wanted = frozenset[int]().union(*self._wanted.values())
        return jobs + [
            pool.Job(may, each.id)
            for each in solver.transaction().steps()
            if self._packages.is_installed(each) and each.id not in wanted
        ]

    def _held_back(self, taken: Sequence[Any], gone: Sequence[Any]) -> tuple[tuple[str, str], ...]:
        """What is not as new as it could be, though all was to be updated."""
        if not self._request.update_all:
            return ()
        stay = {(each.name, each.arch): each for each in self._packages.installed}
        changed = {each.name for each in (*taken, *gone)}
        newest: dict[str, Any] = {}
        for each in self._packages.available():
            was = stay.get((each.name, each.arch))
            if was is None or each.name in changed or each.evrcmp(was) <= 0:
                continue
            best = newest.setdefault(str(was), each)
            if each.evrcmp(best) > 0:
                newest[str(was)] = each
        return tuple(sorted((name, str(each.evr)) for name, each in newest.items()))

    def _kept_jobs(self, keep: Sequence[Pin], hard: bool) -> list[Any]:
        how = solv.Job.SOLVER_INSTALL | solv.Job.SOLVER_SOLVABLE
        how |= 0 if hard else solv.Job.SOLVER_WEAK
        identities = {pin.key: pin for pin in keep}
        jobs = []
        if not identities and not self._kept:
            return []
        for solvable in self._packages.available():
            repository = self._packages.repository(solvable)
            key = (solvable.name, solvable.evr, solvable.arch, repository)
            if self._packages.is_kept(solvable) or key in identities:
                jobs.append(self._packages.pool.Job(how, solvable.id))
        return jobs

    def _pin(self, solvable: Any) -> Pin:
        if self._packages.is_kept(solvable):
            return self._kept[(solvable.name, solvable.evr, solvable.arch)]
        return self._packages.pin(solvable)


def _answers(
    wanted: Mapping[str, frozenset[int]], taken: Sequence[Any]
) -> tuple[tuple[str, str], ...]:
    """Which of the packages taken answer the items that are no package's name."""
    names = {each.name for each in taken}
    return tuple(
        sorted(
            {
                (item, str(each.name))
                for item, candidates in wanted.items()
                if item not in names
                for each in taken
                if each.id in candidates
            }
        )
    )


def select(pool: Any, item: str, more: int = 0) -> Any:
    """The packages that an item of a request means: by name, else NEVRA, else provide or path.
    more: of libsolv's flags.
    """
    kinds = solv.Selection
    glob = kinds.SELECTION_GLOB | more
    if item.startswith("/"):
        found = pool.select(item, kinds.SELECTION_FILELIST | glob)
        if not found.isempty():
            return found
        return pool.select(item, kinds.SELECTION_PROVIDES | more)
    found = pool.select(
        item, kinds.SELECTION_NAME | kinds.SELECTION_DOTARCH | kinds.SELECTION_REL | glob
    )
    if found.isempty():
        found = pool.select(item, kinds.SELECTION_CANON | glob)
    if found.isempty():
        found = pool.select(item, kinds.SELECTION_PROVIDES | kinds.SELECTION_REL | glob)
    return found
