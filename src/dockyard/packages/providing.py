"""Which package of the repositories provides a path, a program, a library or a capability.

For messages that say what to install: what provides the very thing, and what is merely like it.
Works on what metadata says.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import solv

from dockyard.model.architecture import Architecture
from dockyard.model.packages import Request, RpmRepository
from dockyard.packages.access import Access
from dockyard.packages.pool import PackagePool
from dockyard.packages.rpm.repository import open_all

BINARIES = ("/usr/bin", "/usr/sbin", "/bin", "/sbin")
# The directories at the root that are links into /usr, wherever a package says its files are.
_LINKED = ("/bin/", "/sbin/", "/lib/", "/lib64/")
_MOST_NEAR = 4


@dataclass(frozen=True, slots=True)
class Provided:
    """The names of the packages that provide something, sorted.

    near: what is like it, as (path or name, package), the likeliest first; only where nothing
    provides the thing itself.
    """

    wanted: str
    packages: tuple[str, ...]
    near: tuple[tuple[str, str], ...] = ()

    @property
    def advice(self) -> str:
        """What to do, for the `fix` of a problem; "" when nothing is known."""
        if self.packages:
            return f"install the package {' or '.join(self.packages)}"
        like = dict.fromkeys(
            f"{package} (it has {what})" if what != package else package
            for what, package in self.near
        )
        return f"perhaps the package {' or '.join(like)} is what is needed" if like else ""


def who_provides(
    wanted: Iterable[str],
    repositories: Sequence[RpmRepository],
    access: Access,
    architecture: Architecture,
    *,
    near: bool = True,
) -> dict[str, Provided]:
    """The same for those repositories that are on this machine: advice asks no server. Lists of
    files are read only if primary metadata leaves something open. near: look for what is like it,
    too, which takes longer. Raises DockyardError when a repository cannot be read.
    """
    here = [each for each in repositories if each.is_here]
    if not here:
        return {item: Provided(item, ()) for item in wanted}
    opened = open_all(here, access)
    request = Request((), architecture=architecture)
    paths = {path for item in wanted for path in _paths_of(item)}
    packages = PackagePool(opened, request, access.cache, paths=paths)
    found = providers(wanted, packages, near=False)
    if left := [each.wanted for each in found.values() if not each.packages]:
        paths = {path for item in left for path in _paths_of(item)}
        packages = PackagePool(opened, request, access.cache, filelists=True, paths=paths)
        found |= providers(left, packages, near=near)
    return found


def providers(
    wanted: Iterable[str], packages: PackagePool, *, near: bool = True
) -> dict[str, Provided]:
    """What provides each of some paths, programs (`mount`), libraries (`libz.so.1`), or
    capabilities (`perl(Foo)`); packages that may not be installed do not count. near: look for what
    is like it where nothing does.
    """
    return {item: _provided(item, packages, near) for item in wanted}


def near_names(name: str, packages: PackagePool) -> list[str]:
    """Packages whose names are like this one, the likeliest first."""
    names = sorted({each.name for each in packages.available()})
    near = [each for each in names if each.lower() == name.lower()]
    near += difflib.get_close_matches(name, names, 3, 0.75)
    return list(dict.fromkeys(near))


def commands(name: str, packages: PackagePool) -> list[tuple[str, str]]:
    """(path, package) of the programs of this name."""
    found = {
        package: f"{directory}/{name}"
        for directory in BINARIES
        for package in _with_files(f"{directory}/{name}", packages)
    }
    return sorted((path, package) for package, path in found.items())


def parametrised(name: str, packages: PackagePool) -> list[str]:
    """Packages that provide something of the form `name(…)`."""
    if set("*?[") & set(name):
        return []
    return _selected(
        f"{name}(*", solv.Selection.SELECTION_PROVIDES | solv.Selection.SELECTION_GLOB, packages
    )


def _provided(item: str, packages: PackagePool, near: bool) -> Provided:
    exact = sorted(set(_exact(item, packages)))
    if exact or not near:
        return Provided(item, tuple(exact))
    like = list(dict.fromkeys(_near(item, packages)))
    return Provided(item, (), tuple(like[:_MOST_NEAR]))


def _exact(item: str, packages: PackagePool) -> Iterator[str]:
    kinds = solv.Selection
    if item.startswith("/"):
        for path in _paths_of(item):
            yield from _with_files(path, packages)
    else:
        for _, package in commands(item, packages):
            yield package
        if ".so" in item:
            yield from parametrised(item, packages)
        yield from _selected(item, kinds.SELECTION_NAME, packages)
    yield from _selected(item, kinds.SELECTION_PROVIDES, packages)


def _near(item: str, packages: PackagePool) -> Iterator[tuple[str, str]]:
    base = PurePosixPath(item).name
    if base and not set("*?[") & set(base):
        places = solv.Selection.SELECTION_FILELIST | solv.Selection.SELECTION_GLOB
        found = _usable(packages.pool.select(f"*/{base}", places).solvables(), packages)
        for solvable in sorted(found, key=lambda one: str(one.name)):
            for path in _paths(solvable, base):
                yield path, str(solvable.name)
    for name in near_names(base, packages) if base else ():
        yield name, name
    for name in parametrised(item, packages):
        yield name, name


def _paths(solvable: Any, base: str) -> list[str]:
    """The files of a package that have this base name."""
    how = solv.Dataiterator.SEARCH_STRINGEND | solv.Dataiterator.SEARCH_FILES
    found = solvable.Dataiterator(solv.SOLVABLE_FILELIST, f"/{base}", how)
    return sorted(str(each.str) for each in found)


def _other_name(path: str) -> str:
    """The path by which a file of /bin or /usr/bin (sbin, lib, lib64) is found as well."""
    if path.startswith(_LINKED):
        return f"/usr{path}"
    short = path.removeprefix("/usr")
    return short if short.startswith(_LINKED) else path


def _paths_of(item: str) -> tuple[str, ...]:
    """The paths that `_exact` asks for."""
    if item.startswith("/"):
        return tuple(dict.fromkeys((item, _other_name(item))))
    return tuple(f"{directory}/{item}" for directory in BINARIES)


def _with_files(path: str, packages: PackagePool) -> list[str]:
    return _names(packages.owners(path), packages)


def _selected(item: str, how: int, packages: PackagePool) -> list[str]:
    return _names(packages.pool.select(item, how).solvables(), packages)


def _names(solvables: Iterable[Any], packages: PackagePool) -> list[str]:
    return sorted({str(each.name) for each in _usable(solvables, packages)})


def _usable(solvables: Iterable[Any], packages: PackagePool) -> list[Any]:
    return [each for each in solvables if each.id not in packages.left_out]
