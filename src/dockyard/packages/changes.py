"""Says what a solution changes in an image that exists, package by package, and why.

A package that was not asked for is there because something that stays or comes needs it, or goes
because it needs something that goes, or is replaced. The first reason that is found counts, in the
order of names, so that the same change is told in the same words.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import solv

from dockyard.model.package_change import Act, PackageChange
from dockyard.model.packages import Lock, Request
from dockyard.packages.pool import PackagePool
from dockyard.packages.rpm.repository import Metadata
from dockyard.packages.rpm.version import compare

_ASKED = "asked for"
_UPDATE_ALL = "all packages are updated"
_NEEDED = "what was asked for needs it"
_LOCKED = "the lock says so"


def changes_of(
    packages: PackagePool,
    taken: Sequence[Any],
    gone: Sequence[Any],
    wanted: Mapping[str, frozenset[int]],
    unwanted: Mapping[str, frozenset[int]],
) -> tuple[PackageChange, ...]:
    """The changes by name; none where nothing was installed before.

    taken, gone: the packages that come and go. wanted, unwanted: the packages that each item of the
    request means.
    """
    if not packages.installed:
        return ()
    return tuple(sorted(_Changes(packages, taken, gone, wanted, unwanted).all()))


def changes_of_lock(lock: Lock, installed: Metadata, cache: Path) -> tuple[PackageChange, ...]:
    """The same for what was chosen earlier; why is what the lock itself tells."""
    assert lock.request is not None
    request = Request((), architecture=lock.request.architecture)
    packages = PackagePool([], request, cache, installed=installed)
    names = {*lock.request.install, *lock.request.update, *(name for _, name in lock.answers)}
    gone = {str(each): each for each in packages.installed if str(each) in lock.removed}
    stay = {(each.name, each.arch) for each in packages.installed if str(each) not in gone}
    found = []
    for pin in lock.packages:
        same = (each for each in gone.values() if (each.name, each.arch) == (pin.name, pin.arch))
        old = next(same, None)
        act = Act.BESIDE if (pin.name, pin.arch) in stay else Act.INSTALL
        size, before = pin.unpacked, ""
        if old is not None:
            del gone[str(old)]
            act = Act.UPDATE if compare(pin.evr, str(old.evr)) >= 0 else Act.DOWNGRADE
            size, before = size - _size(old), str(old.evr)
        asked = pin.name in names
        why = _ASKED if asked else _LOCKED
        found.append(PackageChange(pin.name, pin.arch, act, before, pin.evr, size, asked, why))
    for each in gone.values():
        asked = each.name in lock.request.remove
        why, size = _ASKED if asked else _LOCKED, -_size(each)
        evr = str(each.evr)
        found.append(PackageChange(each.name, each.arch, Act.REMOVE, evr, "", size, asked, why))
    return tuple(sorted(found))


class _Changes:
    def __init__(
        self,
        packages: PackagePool,
        taken: Sequence[Any],
        gone: Sequence[Any],
        wanted: Mapping[str, frozenset[int]],
        unwanted: Mapping[str, frozenset[int]],
    ) -> None:
        self._packages = packages
        self._taken = sorted(taken, key=str)
        self._gone = sorted(gone, key=str)
        left = {each.id for each in gone}
        self._stay = [each for each in packages.installed if each.id not in left]
        self._wanted = frozenset[int]().union(*wanted.values())
        self._unwanted = frozenset[int]().union(*unwanted.values())
        self._needs = dict(_needs(packages, [*self._taken, *sorted(self._stay, key=str)]))

    def all(self) -> Iterator[PackageChange]:
        before: dict[tuple[str, str], list[Any]] = {}
        for each in self._gone:
            before.setdefault((each.name, each.arch), []).append(each)
        beside = {(each.name, each.arch) for each in self._stay}
        for each in self._taken:
            olds = before.pop((each.name, each.arch), [])
            yield self._comes(each, olds[0] if olds else None, beside)
            for old in olds[1:]:
                yield self._goes(old)
        for olds in before.values():
            for old in olds:
                yield self._goes(old)

    def _comes(self, new: Any, old: Any | None, beside: set[tuple[str, str]]) -> PackageChange:
        asked = new.id in self._wanted
        if old is not None:
            act = Act.UPDATE if new.evrcmp(old) >= 0 else Act.DOWNGRADE
        else:
            act = Act.BESIDE if (new.name, new.arch) in beside else Act.INSTALL
        if asked:
            why = _ASKED
        elif replaced := self._replaced_by(new):
            why = f"replaces {replaced}"
        elif needed := self._needs.get(new.id):
            why = f"{needed} needs it"
        else:
            why = _UPDATE_ALL if self._packages.request.update_all else _NEEDED
        before = str(old.evr) if old is not None else ""
        size = _size(new) - (_size(old) if old is not None else 0)
        return PackageChange(new.name, new.arch, act, before, str(new.evr), size, asked, why)

    def _replaced_by(self, new: Any) -> str:
        return next((str(old.name) for old in self._gone if self._obsoletes(new, old)), "")

    def _obsoletes(self, new: Any, old: Any) -> bool:
        """Whether a package says that it replaces another one: by name, not by what that provides
        (rpm's docs/manual/dependencies.md).
        """
        obsoletes = new.lookup_deparray(solv.SOLVABLE_OBSOLETES)
        return any(
            dep.str().split()[0] == old.name and _provides(self._packages, dep, [old])
            for dep in obsoletes
        )

    def _goes(self, old: Any) -> PackageChange:
        asked = old.id in self._unwanted
        why = _ASKED if asked else self._why_gone(old)
        return PackageChange(
            old.name, old.arch, Act.REMOVE, str(old.evr), "", -_size(old), asked, why
        )

    def _why_gone(self, old: Any) -> str:
        for new in self._taken:
            if self._obsoletes(new, old):
                return f"{new.name} replaces it"
        return missing_after(self._packages, old, self._gone, [*self._taken, *self._stay])


def missing_after(
    packages: PackagePool, package: Any, gone: Sequence[Any], there: Sequence[Any]
) -> str:
    """Why a package cannot stay, in words: what it needs of what goes."""
    for dep in package.lookup_deparray(solv.SOLVABLE_REQUIRES):
        if _provides(packages, dep, there):
            continue
        if providers := _provides(packages, dep, gone):
            name, need = str(providers[0].name), dep.str()
            return f"needs {name}" if name == need.split()[0] else f"needs {need} of {name}"
    return "what it needs goes"


def _needs(packages: PackagePool, there: Sequence[Any]) -> Iterator[tuple[int, str]]:
    """(package, name of the first that needs it)."""
    found: set[int] = set()
    for each in there:
        for dep in each.lookup_deparray(solv.SOLVABLE_REQUIRES):
            for provider in packages.pool.whatprovides(dep):
                if provider.id != each.id and provider.id not in found:
                    found.add(provider.id)
                    yield provider.id, str(each.name)


def _provides(packages: PackagePool, dep: Any, among: Iterable[Any]) -> list[Any]:
    ids = {each.id for each in among}
    return [each for each in packages.pool.whatprovides(dep) if each.id in ids]


def _size(solvable: Any) -> int:
    return int(solvable.lookup_num(solv.SOLVABLE_INSTALLSIZE))
