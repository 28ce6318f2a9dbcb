"""Chooses packages: libsolv over opened repositories, always the same answer for the same input.

A request's items are names, globs over names, NEVRAs (in whole or in part), `name >= version`,
provides, or absolute paths; the best candidate is taken or the request fails. Weak dependencies
are left out unless the request wants them. Lists of files are loaded only when a path is asked
for that the primary metadata does not know.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import solv

from dockyard.errors import DockyardError, Problem
from dockyard.model.packages import Pin, Request
from dockyard.packages import explain
from dockyard.packages.pool import PackagePool
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
    """The packages that fulfil a request, sorted.

    answers: (item, name of a package that answers it) for items that are no package's name.
    """

    packages: tuple[Pin, ...]
    answers: tuple[tuple[str, str], ...]


def solve(
    request: Request,
    opened: Sequence[Metadata],
    cache: Path,
    *,
    keep: Sequence[Pin] = (),
    kept: Sequence[tuple[Pin, IndexedPackage]] = (),
) -> Solution:
    """The packages that fulfil a request; pins are by file digest.

    cache: a directory for parsed metadata. keep: pins of the metadata that are to stay as they
    are; only when no answer has them all may some of them move. kept: pins to stay that the
    metadata no longer lists, with their descriptions.
    Raises DockyardError: `solve.not-found` and `solve.unsatisfiable`, one problem each.
    """
    attempts = [(files, hard) for hard in (True, False) for files in (False, True)]
    failure: DockyardError | None = None
    for filelists, hard in attempts:
        if not hard and not (keep or kept):
            continue
        if filelists and not (failure and _wants_files(failure, opened)):
            continue
        attempt = _Attempt(request, opened, cache, filelists, kept)
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
    ) -> None:
        self._request = request
        self._kept = {(pin.name, pin.evr, pin.arch): pin for pin, _ in kept}
        index = (lambda: primary_xml(each for _, each in kept)) if kept else None
        self._packages = PackagePool(opened, request, cache, filelists=filelists, kept=index)

    def run(self, keep: Sequence[Pin], *, hard: bool) -> Solution:
        pool = self._packages.pool
        jobs = self._kept_jobs(keep, hard)
        wanted: dict[str, frozenset[int]] = {}
        problems: list[Problem] = []
        best = 0 if keep or self._kept else solv.Job.SOLVER_FORCEBEST
        for item in sorted(set(self._request.install)):
            selection = select(pool, item)
            if selection.isempty():
                problems.append(explain.not_found(item, self._packages))
                continue
            wanted[item] = frozenset(each.id for each in selection.solvables())
            jobs += selection.jobs(solv.Job.SOLVER_INSTALL | best)
        if problems:
            raise DockyardError(*problems)
        for name in _SIDE_BY_SIDE:
            how = solv.Job.SOLVER_MULTIVERSION | solv.Job.SOLVER_SOLVABLE_PROVIDES
            jobs.append(pool.Job(how, pool.Dep(name).id))
        solver = pool.Solver()
        solver.set_flag(solv.Solver.SOLVER_FLAG_IGNORE_RECOMMENDED, int(not self._request.weak))
        if found := solver.solve(jobs):
            raise DockyardError(*explain.unsatisfiable(found, wanted, self._packages))
        taken = solver.transaction().newsolvables()
        return Solution(tuple(sorted(map(self._pin, taken))), _answers(wanted, taken))

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
            if not repository or key in identities:
                jobs.append(self._packages.pool.Job(how, solvable.id))
        return jobs

    def _pin(self, solvable: Any) -> Pin:
        if not self._packages.repository(solvable):
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


def select(pool: Any, item: str) -> Any:
    """The packages that an item of a request means: by name, else NEVRA, else provide or path."""
    kinds = solv.Selection
    glob = kinds.SELECTION_GLOB
    if item.startswith("/"):
        found = pool.select(item, kinds.SELECTION_FILELIST | glob)
        if not found.isempty():
            return found
        return pool.select(item, kinds.SELECTION_PROVIDES)
    found = pool.select(
        item, kinds.SELECTION_NAME | kinds.SELECTION_DOTARCH | kinds.SELECTION_REL | glob
    )
    if found.isempty():
        found = pool.select(item, kinds.SELECTION_CANON | glob)
    if found.isempty():
        found = pool.select(item, kinds.SELECTION_PROVIDES | kinds.SELECTION_REL | glob)
    return found
