"""Chooses the package of an archive for an import, and finds what the chosen ones still need."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass

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
        return _newest(index, item.upstream, "correct `import`, or add the suite that has it")
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
                fix="correct `import`, or add the suite that has it",
            )
        )
    newest = max(candidates, key=lambda found: key(found.version))
    alike = [found.name for found in candidates if found.version == newest.version]
    if len(alike) > 1:
        raise _ambiguous(f"{', '.join(alike)} are all of the newest version", item)
    return newest


def _followed(index: Index, item: Import, follows: str) -> Candidate:
    """The dependency of a meta package that fits an import."""
    meta = _newest(index, follows, "correct `follows`, or add the suite that has it")
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
                fix="correct `import`, or follow another package",
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


@dataclass(frozen=True, slots=True)
class Needed:
    """What pinned packages depend on and nothing gives.

    lines: one for each, in words. components: what is to be declared in all, with what these need
    in their turn, so that one round is enough.
    """

    lines: tuple[str, ...]
    components: tuple[str, ...]


def needed(index: Index, pins: Mapping[Import, Pin], given: Container[str]) -> Needed:
    """What pinned packages depend on and nothing gives, to the last package.

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
    names = {pinned.name for pinned in pins.values()}
    level = [
        _Asking(item.component, found.number, item.declaration.drop_requires)
        for item, found in listed.items()
        if found
    ]
    lines: list[str] = []
    added: dict[str, None] = {}
    while level:
        wanted = _unmet(index, level, there, given)
        following: list[_Asking] = []
        for text, (needs, askers) in sorted(wanted.items()):
            who = ", ".join(
                sorted(f"{each} (to be added)" if each in added else each for each in askers)
            )
            advice, best = _advice(index, needs, names)
            lines.append(f"{who} needs {text}, which no component gives: {advice}")
            if best is not None and best.id not in there:
                there.add(best.id)
                following.append(_Asking(best.name, best.id, ()))
        added |= dict.fromkeys(each.name for each in following)
        level = following
    return Needed(tuple(lines), tuple(sorted(added)))


@dataclass(frozen=True, slots=True)
class _Asking:
    """A package whose needs are looked at. drop: names that it is not to require."""

    name: str
    number: int
    drop: Sequence[str]


def _unmet(
    index: Index, level: Iterable[_Asking], there: Container[int], given: Container[str]
) -> dict[str, tuple[list[Need], set[str]]]:
    """What these packages need and nothing gives, in words: its alternatives, and who asks."""
    wanted: dict[str, tuple[list[Need], set[str]]] = {}
    for asking in level:
        for group in depends(index, index.pool.id2solvable(asking.number)):
            if any(match.id in there for need in group for match in _providers(index, need)):
                continue
            left = [need for need in group if need.name not in asking.drop]
            if left and not any(need.name in given for need in left):
                text = " or ".join(dict.fromkeys(need.plain(index) for need in left))
                wanted.setdefault(text, (left, set()))[1].add(asking.name)
    return wanted


def _listed(index: Index, pinned: Pin) -> Candidate | None:
    found = (each for each in index.named(pinned.name) if each.digest == pinned.digest)
    return next(found, None)


def _providers(index: Index, need: Need) -> list[solv.XSolvable]:
    return ranked(index, need.name, index.pool.whatprovides(need.dep))


def _advice(
    index: Index, needs: Iterable[Need], pinned: Container[str]
) -> tuple[str, solv.XSolvable | None]:
    """What to do about a need that nothing meets, and the package that would meet it."""
    found = {match.name: match for need in needs for match in reversed(_providers(index, need))}
    options = list(dict.fromkeys(match.name for need in needs for match in _providers(index, need)))
    if old := [name for name in options if name in pinned]:
        return f"the pinned {old[0]} is too old; lock again without --refresh-missing", None
    if not options:
        return "no suite has it; drop it with `dropRequires`", None
    more = ", …" if len(options) > _SHOWN else ""
    return f"add the component {' or '.join(options[:_SHOWN])}{more}", found[options[0]]
