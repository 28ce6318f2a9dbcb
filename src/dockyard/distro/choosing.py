"""Chooses the package of an archive for an import, and finds what the chosen ones still need."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping

import solv

from dockyard.distro.imports import Import
from dockyard.errors import DockyardError, Problem
from dockyard.model.packages import Pin
from dockyard.packages.deb.index import Candidate, Index
from dockyard.packages.deb.needs import Need, depends
from dockyard.packages.deb.solve import ranked
from dockyard.packages.deb.version import key

_SHOWN = 4


def choose(index: Index, item: Import) -> Candidate:
    """What the suites have for an import: the newest. Raises DockyardError without a place."""
    if not item.is_pattern:
        return _newest(index, item.upstream, "mend `import`, or add the suite that has it")
    if item.declaration.follows:
        return _followed(index, item, item.declaration.follows)
    names = {found.name for found in index.pool.solvables if item.fits(found.name)}
    candidates = [index.named(name)[0] for name in sorted(names)]
    if not candidates:
        raise DockyardError(
            Problem(
                "distro.unknown-package",
                f"no suite has a package named like {item.upstream}",
                why="a placeholder stands for a text that begins with a digit",
                fix="mend `import`, or add the suite that has it",
            )
        )
    newest = max(candidates, key=lambda found: key(found.version))
    alike = [found.name for found in candidates if found.version == newest.version]
    if len(alike) > 1:
        raise _ambiguous(f"{', '.join(alike)} are all of the newest version", item)
    return newest


def _followed(index: Index, item: Import, follows: str) -> Candidate:
    """The dependency of a meta package that fits an import."""
    meta = _newest(index, follows, "mend `follows`, or add the suite that has it")
    needs = [
        need for group in depends(index, index.pool.id2solvable(meta.number)) for need in group
    ]
    fitting = {need.name: need for need in needs if item.fits(need.name)}
    if not fitting:
        names = ", ".join(sorted({need.name for need in needs})) or "nothing"
        raise DockyardError(
            Problem(
                "distro.follows-nothing",
                f"{follows} {meta.version} needs no package named like {item.upstream}",
                why=f"it needs {names}",
                fix="mend `import`, or follow another package",
            )
        )
    if len(fitting) > 1:
        raise _ambiguous(f"{follows} {meta.version} needs {' and '.join(sorted(fitting))}", item)
    (need,) = fitting.values()
    found = _providers(index, need)
    if not found or found[0].name != need.name:
        raise DockyardError(
            Problem(
                "distro.unknown-package",
                f"no suite has {need.plain(index)}, which {follows} {meta.version} needs",
                fix="wait until the archive is whole, or use another mirror",
            )
        )
    return index.candidate(found[0])


def _newest(index: Index, name: str, fix: str) -> Candidate:
    if found := index.named(name):
        return found[0]
    raise DockyardError(
        Problem("distro.unknown-package", f"no suite has the package {name}", fix=fix)
    )


def _ambiguous(why: str, item: Import) -> DockyardError:
    return DockyardError(
        Problem(
            "distro.ambiguous-import",
            f"several packages are named like {item.upstream}",
            why=why,
            fix="make `import` narrower, or name with `follows` the meta package that says which",
        )
    )


def needed(index: Index, pins: Mapping[Import, Pin], given: Container[str]) -> Iterable[str]:
    """What pinned packages depend on and nothing gives, with the component that is to be added.

    given: names that something else gives. A pin that the index does not list counts as the
    package of its name for others; what it needs itself was settled when it was pinned.
    """
    listed = {item: _listed(index, pinned) for item, pinned in pins.items()}
    there = {found.number for found in listed.values() if found}
    there |= {
        found.number
        for item, pinned in pins.items()
        if listed[item] is None
        for found in index.named(pinned.name)
    }
    wanted: dict[str, tuple[list[Need], set[str]]] = {}
    for item, found in listed.items():
        for group in depends(index, index.pool.id2solvable(found.number)) if found else ():
            if any(match.id in there for need in group for match in _providers(index, need)):
                continue
            left = [need for need in group if need.name not in item.declaration.drop_requires]
            if left and not any(need.name in given for need in left):
                text = " or ".join(dict.fromkeys(need.plain(index) for need in left))
                wanted.setdefault(text, (left, set()))[1].add(item.component)
    names = {pinned.name for pinned in pins.values()}
    for text, (needs, components) in sorted(wanted.items()):
        advice = _advice(index, needs, names)
        yield f"{', '.join(sorted(components))} needs {text}, which no component gives: {advice}"


def _listed(index: Index, pinned: Pin) -> Candidate | None:
    found = (each for each in index.named(pinned.name) if each.digest == pinned.digest)
    return next(found, None)


def _providers(index: Index, need: Need) -> list[solv.XSolvable]:
    return ranked(index, need.name, index.pool.whatprovides(need.dep))


def _advice(index: Index, needs: Iterable[Need], pinned: Container[str]) -> str:
    """What to do about a need that nothing meets."""
    found = [match.name for need in needs for match in _providers(index, need)]
    options = list(dict.fromkeys(found))
    if old := [name for name in options if name in pinned]:
        return f"the pinned {old[0]} is too old; lock anew without --refresh-missing"
    if not options:
        return "no suite has it; drop it with `dropRequires`"
    more = ", …" if len(options) > _SHOWN else ""
    return f"add the component {' or '.join(options[:_SHOWN])}{more}"
