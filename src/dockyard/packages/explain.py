"""Says in plain words why packages cannot be chosen.

libsolv gives, for each independent problem, the rules that contradict each other. They are put in
the order in which a person would follow them: from what was asked for, along what it needs, to
what is not there or does not go together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import solv

from dockyard.errors import Problem
from dockyard.model.nearest import nearest
from dockyard.model.packages import Request
from dockyard.packages.changes import missing_after
from dockyard.packages.pool import EXCLUDED, IN_IMAGE, PackagePool
from dockyard.packages.providing import commands, near_names, parametrised

_MOST_LINES = 12
_KERNELS = ("kernel", "kernel-core", "installonlypkg(kernel)")


@dataclass(frozen=True, slots=True)
class MissingPath(Problem):
    """A problem that may vanish when the repositories' lists of files are read."""


def not_found(item: str, packages: PackagePool) -> Problem:
    """The problem of an item that no package fits, with what may have been meant."""
    where = packages.request.wanted_by.get(item)
    kind = MissingPath if item.startswith("/") else Problem
    code = "solve.not-found"
    for solvable in packages.pool.solvables:
        left_out = packages.left_out.get(solvable.id)
        if left_out and item in _forms(solvable):
            what = f"package {item} may not be installed"
            why = f"{_named(solvable, packages)} {left_out.why}"
            return kind(code, what, where, why, left_out.fix)
    hints = list(dict.fromkeys(_hints(item, packages)))[:4]
    names = sorted({repo.name for repo in packages.pool.repos} - {"", IN_IMAGE})
    place = "none of the repositories" if len(names) > 1 else "not in repository"
    why = f"it is {'in ' if len(names) > 1 else ''}{place} {', '.join(names)}" if names else ""
    if hints:
        why += (", but " if why else "") + "; ".join(hints)
    fix = "correct the name, or add the repository that has it"
    return kind(code, f"there is no package {item}", where, why, fix)


def no_group(item: str, known: Sequence[str], request: Request) -> Problem:
    """The problem of a group that no repository has. known: the items that name one."""
    name, _, choice = item.partition(" ")
    near = nearest(name, known, 3)
    why = f"there are {_listing(near)}" if near else ""
    fix = "correct the id"
    if not known:
        why = "no repository has groups"
    if name in known:
        why = f"{choice!r} stands after it"
        fix = "write nothing there, --optional or --nodefaults"
    elif ":" in name:
        why = "streams of modules are no groups"
        fix = f"name {name[1:].partition('/')[0]} in os.packages.modules, and its packages here"
    where = request.wanted_by.get(item)
    return Problem("solve.no-group", f"there is no group {item}", where, why, fix)


def empty_group(item: str, request: Request) -> Problem:
    """The problem of a group that brings nothing."""
    return Problem(
        "solve.empty-group",
        f"no package of the group {item} may be installed",
        request.wanted_by.get(item),
        why="it names none, or none that a repository has for this architecture",
        fix="take it out of the list, or write --optional after it",
    )


def not_installed(item: str, packages: PackagePool, *, remove: bool = False) -> Problem:
    """The problem of an item to update or to remove that the image does not have."""
    request = packages.request
    where = (request.unwanted_by if remove else request.wanted_by).get(item)
    act = "removed" if remove else "updated"
    names = sorted({str(each.name) for each in packages.installed})
    near = nearest(item, names, 3)
    why = f"it has {_listing(near)}" if near else ""
    fix = "correct the name, or take it out of the list"
    if not remove:
        fix = "to install it, name it in os.packages.install"
    what = f"package {item} is not in the image, so it cannot be {act}"
    return Problem("solve.not-installed", what, where, why, fix)


def contradiction(item: str, request: Request) -> Problem:
    """The problem of an item that is to go and to come."""
    other = request.wanted_by.get(item)
    return Problem(
        "solve.contradiction",
        f"package {item} is to be removed, and to be {_act(item, request)}",
        request.unwanted_by.get(item),
        why=f"the other is said at {other}" if other else "",
        fix="take it out of one of the lists",
    )


def protected(
    gone: Sequence[Any],
    taken: Sequence[Any],
    unwanted: Mapping[str, frozenset[int]],
    packages: PackagePool,
) -> list[Problem]:
    """The problems of packages that must stay, and would go; updates are none of them."""
    request = packages.request
    names = set(request.protected) & {str(each.name) for each in packages.installed}
    left = {str(each.name) for each in gone} - {str(each.name) for each in taken}
    left -= {str(e.name) for e in packages.installed if e.id not in {each.id for each in gone}}
    problems = []
    for name in sorted(names & left):
        asked = [item for item, ids in unwanted.items()
                 if any(each.id in ids and each.name == name for each in gone)]  # fmt: skip
        item = next(iter(asked), None) or next(iter(sorted(unwanted)), "")
        what = f"package {name} is protected and cannot be removed"
        why = "the image's own settings say so (protected.d)"
        if not asked:
            what = f"removing {_listing(sorted(unwanted))} would take the protected {name} along"
            because = missing_after(
                packages,
                next(each for each in gone if each.name == name),
                gone,
                [*taken, *(e for e in packages.installed if e not in gone)],
            )
            why = f"{name} {because}; {why}"
        fix = "leave it in the image"
        where = request.unwanted_by.get(item)
        problems.append(Problem("solve.protected", what, where, why, fix))
    kernels = set(request.kernels)
    coming = {each.id for each in taken}
    others = (packages.pool.whatprovides(packages.pool.Dep(name)) for name in _KERNELS)
    if kernels and kernels <= left and not any(e.id in coming for found in others for e in found):
        item = next(iter(sorted(unwanted)), "")
        problems.append(
            Problem(
                "solve.no-kernel",
                f"removing {_listing(sorted(unwanted))} would leave the image without a kernel",
                request.unwanted_by.get(item),
                why=f"{_listing(sorted(kernels))} would go, and no other kernel comes",
                fix="leave it in the image, or update it",
            )
        )
    return problems


def _act(item: str, request: Request) -> str:
    return "updated" if item in request.update else "installed"


def unsatisfiable(
    problems: Iterable[Any], wanted: Mapping[str, frozenset[int]], packages: PackagePool
) -> list[Problem]:
    """One problem for each of libsolv's, with its chain of rules in words."""
    found = (_Chain(problem, wanted, packages).problem() for problem in problems)
    unique = {(each.what, each.why): each for each in found}
    return list(unique.values())


def _forms(solvable: Any) -> tuple[str, ...]:
    """The ways to name a package, from its name to all of NEVRA."""
    name, evr, arch = str(solvable.name), str(solvable.evr), str(solvable.arch)
    return (name, f"{name}.{arch}", f"{name}-{evr}", str(solvable))


def _hints(item: str, packages: PackagePool) -> Iterator[str]:
    """What a mistaken item may have meant, the likeliest first."""
    plain = item.split()[0]
    pool, kinds = packages.pool, solv.Selection
    if any(sign in item for sign in "<>="):
        exact = pool.select(plain, kinds.SELECTION_NAME).solvables()
        versions = sorted(f"{_version(each, packages)}" for each in exact)
        if versions:
            yield f"there is {_listing(versions)}"
            return
    if plain.startswith("/"):
        return
    near = near_names(plain, packages)
    if near:
        yield f"there is {_listing(near)}"
    for path, name in commands(plain, packages)[:2]:
        yield f"{path} is provided by {name}"
    for name in parametrised(plain, packages)[:2]:
        yield f"something of that name is provided by {name}"
    if not set("*?[") & set(plain):
        names = sorted({each.name for each in packages.available()})
        inside = [name for name in names if len(plain) > 3 and plain.lower() in name.lower()]
        if inside and not near:
            yield f"there is {_listing(inside[:3])}"


class _Chain:
    """The contradicting rules of one problem."""

    def __init__(
        self, problem: Any, wanted: Mapping[str, frozenset[int]], packages: PackagePool
    ) -> None:
        self._packages = packages
        self._wanted = wanted
        self._infos: list[Any] = []
        seen: set[tuple[int, int, int, int]] = set()
        for rule in problem.findallproblemrules():
            for info in rule.allinfos():
                key = (info.type, *(_id(each) for each in (info.solvable, info.othersolvable)))
                if (mark := (*key, info.dep_id)) not in seen:
                    seen.add(mark)
                    self._infos.append(info)

    def problem(self) -> Problem:
        items = self._items()
        where = next(
            (place for item in items if (place := self._packages.request.wanted_by.get(item))), None
        )
        lines = list(dict.fromkeys(line for info in self._ordered() if (line := self._line(info))))
        missing = [info for info in self._infos if _is(info, "PKG_NOTHING_PROVIDES_DEP")]
        what = f"{_listing(items) or 'what was asked for'} cannot be {self._acts(items)}"
        if len(items) > 1 and not missing:
            what += " together"
        more = len(lines) - _MOST_LINES
        if more > 0:
            lines = [*lines[:_MOST_LINES], f"and {more} more reasons of this kind"]
        kind = MissingPath if any(info.dep.str().find("/") >= 0 for info in missing) else Problem
        if missing and any(f" {EXCLUDED}" in line for line in lines):
            fix = "take away the exclude, or leave out what needs the package"
        elif missing:
            fix = "add the repository that has what is missing, or leave out what needs it"
        else:
            fix = "leave out one of the packages that do not go together"
        why = "\n".join(lines)
        return kind("solve.unsatisfiable", what, where, why, fix)

    def _acts(self, items: Sequence[str]) -> str:
        request = self._packages.request
        acts = {"removed" if each in request.remove else _act(each, request) for each in items}
        return " or ".join(sorted(acts)) or ("updated" if request.update_all else "installed")

    def _items(self) -> list[str]:
        """The items of the request that the rules are about."""
        ids = {info.solvable.id for info in self._infos if info.solvable}
        ids |= {info.othersolvable.id for info in self._infos if info.othersolvable}
        asked = [item for item, candidates in self._wanted.items() if candidates & ids]
        needed = {
            provider.id
            for info in self._infos
            if _is(info, "PKG_REQUIRES")
            for provider in self._packages.pool.whatprovides(info.dep_id)
        }
        # What something else needs is no starting point, unless nothing else is.
        roots = [item for item in asked if not self._wanted[item] <= needed]
        return sorted(roots or asked)

    def _ordered(self) -> list[Any]:
        """The rules from what was asked for along what it needs."""
        roots = frozenset[int]().union(*(self._wanted[item] for item in self._items()))
        left = sorted(self._infos, key=self._sort_key)
        reached: set[int] = set(roots)
        ordered: list[Any] = []
        while left:
            info = next((one for one in left if _id(one.solvable) in reached), left[0])
            left.remove(info)
            ordered.append(info)
            if _is(info, "PKG_REQUIRES"):
                reached |= {each.id for each in self._packages.pool.whatprovides(info.dep_id)}
            if info.othersolvable:
                reached.add(info.othersolvable.id)
        return ordered

    def _sort_key(self, info: Any) -> tuple[bool, str, str, str]:
        final = not _is(info, "PKG_REQUIRES")
        return (
            final,
            str(info.solvable),
            str(info.othersolvable),
            info.dep.str() if info.dep else "",
        )

    def _line(self, info: Any) -> str:
        one = _named(info.solvable, self._packages) if info.solvable else ""
        other = _named(info.othersolvable, self._packages) if info.othersolvable else ""
        dep = info.dep.str() if info.dep else ""
        match _NAMES.get(info.type):
            case "PKG_NOTHING_PROVIDES_DEP":
                return f"{one} needs {dep}, {self._instead(dep)}"
            case "PKG_REQUIRES":
                return f"{one} needs {dep}"
            case "PKG_CONFLICTS":
                return f"{one} conflicts with {_fulfilled(dep, info.othersolvable)}{other}"
            case "PKG_OBSOLETES" | "PKG_IMPLICIT_OBSOLETES" | "YUMOBS":
                return f"{one} replaces {dep}, so {other} cannot be installed beside it"
            case "PKG_SAME_NAME":
                return f"{one} and {other} are two versions of one package"
            case "PKG_SELF_CONFLICT":
                return f"{one} conflicts with {dep}, which it provides itself"
            case "PKG_NOT_INSTALLABLE":
                return f"{one} cannot be installed on {self._packages.request.architecture}"
            case "INFARCH":
                return f"{one} is of an inferior architecture"
            case "BEST":
                return ""  # the rules beside it say why the newest version does not go
            case _:
                return str(info.problemstr())

    def _instead(self, dep: str) -> str:
        """What there is in place of a missing dependency."""
        name = dep.split()[0]
        if name.startswith("("):
            return "which nothing in the repositories fulfils"
        usable, unusable = [], []
        for solvable in self._packages.pool.solvables:
            if solvable.name == name:
                left_out = self._packages.left_out.get(solvable.id)
                if left_out:
                    unusable.append(f"{_version(solvable, self._packages)} {left_out.why}")
                else:
                    usable.append(_version(solvable, self._packages))
        for provider in self._packages.pool.whatprovides(self._packages.pool.Dep(name)):
            if provider.name != name:
                usable.append(f"{_provided(provider, name)}of {_named(provider, self._packages)}")
        if usable:
            extra = f"; {_listing(sorted(unusable))}" if unusable else ""
            return f"but only {_listing(sorted(usable))} is there{extra}"
        if unusable:
            return f"but {_listing(sorted(unusable))}"
        return "which no package in the repositories provides"


_NAMES = {
    getattr(solv.Solver, f"SOLVER_RULE_{name}"): name
    for name in (
        "PKG_NOTHING_PROVIDES_DEP",
        "PKG_REQUIRES",
        "PKG_CONFLICTS",
        "PKG_OBSOLETES",
        "PKG_IMPLICIT_OBSOLETES",
        "YUMOBS",
        "PKG_SAME_NAME",
        "PKG_SELF_CONFLICT",
        "PKG_NOT_INSTALLABLE",
        "INFARCH",
        "BEST",
    )
}


def _is(info: Any, name: str) -> bool:
    return _NAMES.get(info.type) == name


def _id(solvable: Any) -> int:
    return solvable.id if solvable else 0


def _version(solvable: Any, packages: PackagePool) -> str:
    return f"{solvable.name} {solvable.evr}{_of(solvable, packages)}"


def _named(solvable: Any, packages: PackagePool) -> str:
    return f"{solvable}{_of(solvable, packages)}"


def _of(solvable: Any, packages: PackagePool) -> str:
    return f" ({packages.origin(solvable)})"


def _fulfilled(dep: str, other: Any) -> str:
    return "" if other and dep.split()[0] == other.name else f"{dep}, which is provided by "


def _provided(provider: Any, name: str) -> str:
    """The version of a provide, in words that go before `of PACKAGE`."""
    deps = (each.str() for each in provider.lookup_deparray(solv.SOLVABLE_PROVIDES))
    found = next((dep for dep in deps if dep.split()[0] == name), name)
    return f"{found} "


def _listing(words: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"
