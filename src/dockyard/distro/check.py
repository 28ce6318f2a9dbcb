"""Proves a repository whole: every requirement can be met within it, and no two packages that can
be installed together claim one path for different files.
"""

from __future__ import annotations

import json
import stat
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import solv

from dockyard.distro.arguments import PACKAGE, Checking
from dockyard.errors import DockyardError, Position, Problem
from dockyard.model.architecture import Architecture
from dockyard.packages.rpm.contents import FileFlag, Sense
from dockyard.packages.rpm.header import Tag
from dockyard.packages.rpm.reader import RpmFile, read_package

if TYPE_CHECKING:
    from dockyard.engine.work import Work

_COMPARISONS = {
    Sense.LESS: solv.REL_LT,
    Sense.GREATER: solv.REL_GT,
    Sense.EQUAL: solv.REL_EQ,
}


def check_packages(work: Work, wanted: Checking) -> None:
    """The function of the step: `report.json`, of packages that are whole together. Raises
    DockyardError with all that is wrong with them.
    """
    packages = [read_package(work.result(name) / PACKAGE) for name in wanted.made]
    if problems := _problems(packages, wanted.places, _below(wanted.directories)):
        raise DockyardError(*problems)
    (work.out / "report.json").write_text(json.dumps({"packages": len(packages)}))


def check_repository(
    directory: Path,
    positions: Mapping[str, Position] | None = None,
    beside: Iterable[Path] = (),
) -> tuple[Problem, ...]:
    """Every problem of the packages below a directory. positions: of declarations by name. beside:
    directories of packages that may be installed with them, and are sound by themselves.
    """
    return _problems(_below([directory]), positions or {}, _below(beside))


def _below(directories: Iterable[Path]) -> list[RpmFile]:
    return [read_package(path) for each in directories for path in sorted(each.rglob("*.rpm"))]


def _problems(
    packages: Sequence[RpmFile], places: Mapping[str, Position], beside: Sequence[RpmFile]
) -> tuple[Problem, ...]:
    return (*_unmet(packages, places, beside), *_conflicts(packages, places, beside))


def _unmet(
    packages: Sequence[RpmFile], places: Mapping[str, Position], beside: Sequence[RpmFile]
) -> list[Problem]:
    """Requirements that no package meets."""
    pool = solv.Pool()
    architectures = {each.architecture for each in (*packages, *beside)} - {"noarch"}
    pool.setarch(min(architectures, default=Architecture.X86_64))
    repository = pool.add_repo("checked")
    known = [(package, _solvable(pool, repository, package)) for package in packages]
    for package in beside:
        _solvable(pool, repository, package)
    pool.addfileprovides()
    pool.createwhatprovides()
    missing: dict[str, list[str]] = defaultdict(list)
    for package, solvable in known:
        for dep in solvable.lookup_deparray(solv.SOLVABLE_REQUIRES):
            text = str(dep)
            if not text.startswith("rpmlib(") and not pool.whatprovides(dep):
                missing[text].append(package.name)
    problems = []
    for text, names in sorted(missing.items()):
        first = names[0]
        problems.append(
            Problem(
                "distro.unmet",
                f"nothing provides {text}, which {', '.join(sorted(names))} requires",
                places.get(first, first),
                fix="declare a component that provides it, in a file that distro.yaml names under "
                "`components`, or drop it with `dropRequires`; where another distribution of this "
                "store has it, name that one with --with",
            )
        )
    return problems or _uninstallable(pool, known, places)


def _solvable(pool: solv.Pool, repository: solv.Repo, package: RpmFile) -> solv.XSolvable:
    solvable = repository.add_solvable()
    solvable.name, solvable.evr, solvable.arch = package.name, package.evr, package.architecture
    for kind, key in (
        ("provides", solv.SOLVABLE_PROVIDES),
        ("requires", solv.SOLVABLE_REQUIRES),
        ("conflicts", solv.SOLVABLE_CONFLICTS),
        ("obsoletes", solv.SOLVABLE_OBSOLETES),
    ):
        for relation in package.relations(kind):
            if relation.rich:
                dep = pool.parserpmrichdep(relation.name)
            else:
                dep = pool.Dep(relation.name)
                flags = sum(bit for sense, bit in _COMPARISONS.items() if relation.sense & sense)
                if flags:
                    dep = dep.Rel(flags, pool.Dep(relation.version))
            solvable.add_deparray(key, dep)
    for file in package.files():
        if not file.is_directory:
            # Files count as provides here: there is no file list for libsolv to look into.
            solvable.add_deparray(solv.SOLVABLE_PROVIDES, pool.Dep(file.path))
    return solvable


def _uninstallable(
    pool: solv.Pool,
    known: Sequence[tuple[RpmFile, solv.XSolvable]],
    places: Mapping[str, Position],
) -> list[Problem]:
    """Packages that cannot be installed, though each requirement alone can be met."""
    problems = []
    solver = pool.Solver()
    for package, solvable in known:
        job = pool.Job(solv.Job.SOLVER_INSTALL | solv.Job.SOLVER_SOLVABLE, solvable.id)
        for found in solver.solve([job]):
            problems.append(
                Problem(
                    "distro.uninstallable",
                    f"{package.name} cannot be installed",
                    places.get(package.name, package.name),
                    why=str(found.findproblemrule().info().problemstr()),
                )
            )
    return problems


def _conflicts(
    packages: Sequence[RpmFile], places: Mapping[str, Position], beside: Sequence[RpmFile]
) -> list[Problem]:
    """Paths that packages claim with different content, mode, owner or target. beside: others,
    among which conflicts do not count; a package takes the place of one of its name.
    """
    names = {package.name for package in packages}
    others_names = {package.name for package in beside} - names
    beside = [package for package in beside if package.name in others_names]
    claims: dict[str, dict[tuple[object, ...], str]] = defaultdict(dict)
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    apart = _apart([*packages, *beside])
    for package in (*beside, *packages):
        digests = package.header.texts(Tag.FILEDIGESTS)
        for file, digest in zip(package.files(), digests, strict=True):
            kind = stat.S_IFMT(file.mode)
            mode = 0 if stat.S_ISLNK(file.mode) else file.mode
            content = "" if file.flags & FileFlag.GHOST else digest
            claim = (kind, mode, file.owner, file.group, file.target, content)
            others = claims[file.path]
            if claim in others:
                continue
            for name in others.values():
                both = {name, package.name}
                if not both <= others_names and frozenset(both) not in apart:
                    found[(name, package.name)].append(file.path)
            others[claim] = package.name
    return [
        Problem(
            "distro.file-conflict",
            f"{first} and {second} have different files at the same path",
            places.get(second, second),
            why="rpm refuses to install both: content, mode, owner and target must agree",
            fix="drop the path from one of them, or declare that they conflict",
            excerpt=tuple(paths[:10]),
        )
        for (first, second), paths in sorted(found.items())
    ]


def _apart(packages: Sequence[RpmFile]) -> frozenset[frozenset[str]]:
    """Pairs of packages that are never installed together."""
    providers: dict[str, set[str]] = defaultdict(set)
    for package in packages:
        for relation in package.relations("provides"):
            providers[relation.name].add(package.name)
    return frozenset(
        frozenset((package.name, other))
        for package in packages
        for relation in package.relations("conflicts")
        for other in providers[relation.name]
        if other != package.name
    )
