"""Chooses what changes among the installed packages of a Debian system.

Installing, updating and removing are one question. What is asked for comes in its newest version,
with what it needs: of alternatives what is there, else the first, as in `solve`. What is to go goes
with all that needs it, unless what comes in the same change provides the same; nothing else goes.
Held packages stay as they are, and those that dpkg protects stay.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

import solv

from dockyard.errors import DockyardError, Position, Problem
from dockyard.model.package_change import Act, PackageChange
from dockyard.model.packages import Pin, Request
from dockyard.packages.deb.index import Index
from dockyard.packages.deb.installed import InstalledDebs
from dockyard.packages.deb.needs import alternatives
from dockyard.packages.deb.pins import pin
from dockyard.packages.deb.solve import Walk, Wish, choices, explain, no_package, unclear
from dockyard.packages.solve import Solution

_JOB = solv.Job
_RULES = solv.Solver


def solve_change(index: Index, request: Request, installed: InstalledDebs) -> Solution:
    """What comes and goes; `removed` has labels (`name_version_arch`) in place of NEVRAs. index:
    with what is installed. Raises DockyardError with every problem: `debian.no-package`,
    `.ambiguous`, `.not-installed`, `.conflict`, `.protected`.
    """
    return _Change(index, request, installed).run()


class _Change:
    def __init__(self, index: Index, request: Request, installed: InstalledDebs) -> None:
        self._index = index
        self._pool = index.pool
        self._request = request
        self._installed = installed
        self._here = {each.name: each for each in self._pool.installed.solvables}
        self._problems: list[Problem] = []
        self._wanted: dict[str, frozenset[str]] = {}

    def run(self) -> Solution:
        removed = self._removed()
        found = self._chosen(removed)
        updated = self._updated()
        if self._problems:
            raise DockyardError(*self._problems)
        jobs = [_job(self._pool, _JOB.SOLVER_INSTALL, each[0]) for each in found]
        jobs += updated + self._locks()
        erase = [_job(self._pool, _JOB.SOLVER_ERASE, each) for each in self._all(removed)]
        jobs += erase + self._may_go(erase, found)
        jobs += self._favoured(found, removed)
        solver = self._solver()
        if failed := solver.solve(jobs):
            raise DockyardError(*(explain(self._index, problem) for problem in failed))
        transaction = solver.transaction()
        taken = [each for each in transaction.newsolvables() if not self._is_here(each)]
        gone = [each for each in transaction.steps() if self._is_here(each)]
        self._require_protected(taken, gone)
        return Solution(
            tuple(sorted(map(self._pin, taken))),
            self._answers(taken),
            tuple(sorted(map(self._label, gone))),
            tuple(sorted(self._changes(taken, gone, removed))),
            tuple(self._held_back(taken, gone)),
        )

    def _solver(self) -> solv.Solver:
        solver = self._pool.Solver()
        solver.set_flag(_RULES.SOLVER_FLAG_IGNORE_RECOMMENDED, 1)
        solver.set_flag(_RULES.SOLVER_FLAG_ALLOW_ARCHCHANGE, 1)
        solver.set_flag(_RULES.SOLVER_FLAG_ALLOW_VENDORCHANGE, 1)
        return solver

    # ------------------------------------------------------------------- what is asked for

    def _removed(self) -> frozenset[str]:
        """The names of what is to go."""
        for item in self._request.remove:
            if item not in self._here:
                self._not_installed(item, "removed", self._request.unwanted_by.get(item))
            elif item in (*self._request.install, *self._request.update):
                self._problems.append(
                    Problem(
                        "debian.contradiction",
                        f"{item} is to be removed, and to be installed or updated",
                        self._request.unwanted_by.get(item),
                        fix="drop one of the two",
                    )
                )
        return frozenset(self._request.remove) & self._here.keys()

    def _chosen(self, removed: frozenset[str]) -> list[list[solv.XSolvable]]:
        """The packages for each item to install, the best first."""
        found = []
        for item in self._request.install:
            wish = Wish(item, self._request.wanted_by.get(item))
            fitting = choices(self._index, wish, removed)
            there = [each for each in fitting if self._is_here(each)]
            if unclear(wish, fitting) and there:
                fitting = there
            if problem := unclear(wish, fitting) or no_package(self._index, wish, fitting, removed):
                self._problems.append(problem)
                continue
            # Of equal versions, what is there stays.
            first = fitting[0]
            same = (each for each in there if (each.name, each.evr) == (first.name, first.evr))
            found.append([next(same, first), *fitting])
            self._wanted[item] = frozenset(each.name for each in fitting)
        return found

    def _updated(self) -> list[solv.Job]:
        jobs = []
        for item in self._request.update:
            if item in self._here:
                how = _JOB.SOLVER_UPDATE | _JOB.SOLVER_SOLVABLE_NAME | _JOB.SOLVER_FORCEBEST
                jobs.append(self._pool.Job(how, self._pool.str2id(item)))
                self._wanted[item] = frozenset((item,))
            else:
                self._not_installed(item, "updated", self._request.wanted_by.get(item))
        if self._request.update_all:
            jobs.append(self._pool.Job(_JOB.SOLVER_UPDATE | _JOB.SOLVER_SOLVABLE_ALL, 0))
        return jobs

    def _not_installed(self, item: str, act: str, where: Position | None) -> None:
        self._problems.append(
            Problem(
                "debian.not-installed",
                f"{item} is to be {act}, and the image does not have it",
                where,
                fix="correct the name, or drop it",
            )
        )

    def _locks(self) -> list[solv.Job]:
        how = _JOB.SOLVER_LOCK | _JOB.SOLVER_SOLVABLE_NAME
        return [self._pool.Job(how, self._pool.str2id(name)) for name in self._installed.held]

    def _all(self, names: Collection[str]) -> list[solv.XSolvable]:
        """Every version of these, so that none comes in place of what goes."""
        return [
            each
            for name in sorted(names)
            for each in self._pool.whatprovides(self._pool.Dep(name))
            if each.name == name
        ]

    def _may_go(
        self, erase: Sequence[solv.Job], found: Sequence[Sequence[solv.XSolvable]]
    ) -> list[solv.Job]:
        """What needs what goes may go as well: what would go if nothing could come."""
        if not erase:
            return []
        solver = self._solver()
        solver.set_flag(_RULES.SOLVER_FLAG_ALLOW_UNINSTALL, 1)
        frozen = [
            _job(self._pool, _JOB.SOLVER_LOCK, each)
            for each in self._pool.solvables
            if not self._is_here(each)
        ]
        if solver.solve([*erase, *frozen]):
            return []  # the whole request says why
        wanted = {each.id for fitting in found for each in fitting}
        return [
            _job(self._pool, _JOB.SOLVER_ALLOWUNINSTALL, each)
            for each in solver.transaction().steps()
            if self._is_here(each) and each.id not in wanted
        ]

    def _favoured(
        self, found: Sequence[Sequence[solv.XSolvable]], removed: frozenset[str]
    ) -> list[solv.Job]:
        """What following dependencies as apt does takes beside what is there."""
        there = {name: each for name, each in self._here.items() if name not in removed}
        for fitting in found:
            there.pop(fitting[0].name, None)
        walked = Walk(self._index, removed, there).run([fitting[:1] for fitting in found])
        return [
            _job(self._pool, _JOB.SOLVER_FAVOR, each) for each in walked if not self._is_here(each)
        ]

    # ------------------------------------------------------------------------ what comes of it

    def _is_here(self, solvable: solv.XSolvable) -> bool:
        return bool(solvable.repo.id == self._pool.installed.id)

    def _pin(self, solvable: solv.XSolvable) -> Pin:
        return replace(pin(self._index.candidate(solvable)), unpacked=_size(solvable))

    def _label(self, solvable: solv.XSolvable) -> str:
        return f"{solvable.name}_{self._version(solvable)}_{solvable.arch}"

    def _version(self, solvable: solv.XSolvable) -> str:
        return self._index.candidate(solvable).version

    def _answers(self, taken: Sequence[solv.XSolvable]) -> tuple[tuple[str, str], ...]:
        come = {each.name for each in taken}
        return tuple(
            sorted(
                (item, name)
                for item, names in self._wanted.items()
                for name in names & come
                if name != item
            )
        )

    def _require_protected(
        self, taken: Sequence[solv.XSolvable], gone: Sequence[solv.XSolvable]
    ) -> None:
        """Raise DockyardError where a package would go that must stay."""
        stays = self._installed.protected | set(self._request.protected)
        lost = stays & {each.name for each in gone} - {each.name for each in taken}
        if lost:
            raise DockyardError(
                *(
                    Problem(
                        "debian.protected",
                        f"{name} would be removed, and must stay",
                        self._request.unwanted_by.get(name),
                        why="it is essential, or protected by its package"
                        if name in self._request.remove
                        else "it is essential or protected, and needs what is to go",
                        fix="leave it in, with what it needs",
                    )
                    for name in sorted(lost)
                )
            )

    def _changes(
        self,
        taken: Sequence[solv.XSolvable],
        gone: Sequence[solv.XSolvable],
        removed: frozenset[str],
    ) -> Iterator[PackageChange]:
        asked = frozenset[str]().union(*self._wanted.values())
        left = {each.name: each for each in gone}
        others = [each for each in self._here.values() if each.name not in left]
        for new in taken:
            old = left.pop(new.name, None)
            act = Act.INSTALL
            if old is not None:
                act = Act.UPDATE if int(new.evr) >= int(old.evr) else Act.DOWNGRADE
            yield PackageChange(
                new.name,
                new.arch,
                act,
                self._version(old) if old else "",
                self._version(new),
                _size(new) - (_size(old) if old else 0),
                new.name in asked,
                "asked for" if new.name in asked else self._why(new, [*taken, *others]),
            )
        for old in left.values():
            why = "asked for" if old.name in removed else self._why_gone(old, left)
            yield PackageChange(
                old.name,
                old.arch,
                Act.REMOVE,
                self._version(old),
                "",
                -_size(old),
                old.name in removed,
                why,
            )

    def _why(self, new: solv.XSolvable, there: Sequence[solv.XSolvable]) -> str:
        for each in sorted(there, key=lambda one: str(one.name)):
            if each.id != new.id and new.name in self._needs(each):
                return f"{each.name} needs it"
        return "all packages are updated" if self._request.update_all else "it is needed"

    def _why_gone(self, old: solv.XSolvable, gone: Collection[str]) -> str:
        needed = sorted(self._needs(old) & set(gone) - {old.name})
        return f"needs {needed[0]}" if needed else "what it needs goes"

    def _needs(self, solvable: solv.XSolvable) -> set[str]:
        """The names of packages that meet what a package needs."""
        return {
            str(each.name)
            for dep in solvable.lookup_deparray(solv.SOLVABLE_REQUIRES)
            for need in alternatives(self._index, str(dep))
            for each in self._pool.whatprovides(need.dep)
        }

    def _held_back(
        self, taken: Sequence[solv.XSolvable], gone: Sequence[solv.XSolvable]
    ) -> Iterator[tuple[str, str]]:
        """What is not as new as it could be, though all was to be updated."""
        if not self._request.update_all:
            return
        changed = {each.name for each in (*taken, *gone)}
        for name, old in sorted(self._here.items()):
            newest = self._index.named(name)[0]
            rank = int(self._pool.id2solvable(newest.number).evr)
            if name not in changed and rank > int(old.evr):
                yield self._label(old), newest.version


def _job(pool: solv.Pool, action: int, solvable: solv.XSolvable) -> solv.Job:
    return pool.Job(action | _JOB.SOLVER_SOLVABLE, solvable.id)


def _size(solvable: solv.XSolvable) -> int:
    return int(solvable.lookup_num(solv.SOLVABLE_INSTALLSIZE))
