"""Makes the lock of a distribution: chooses the newest version of every declared package, says
what changed, and what the packages depend on that the distribution does not have.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import solv

from dockyard.distro.load import LoadedDistro
from dockyard.distro.lock import lock_path
from dockyard.errors import DockyardError, Problem, Problems
from dockyard.host.files import write_atomic
from dockyard.model.packages import Lock, Pin, Request
from dockyard.packages import lockfile
from dockyard.packages.deb.archive import Suite
from dockyard.packages.deb.index import Candidate, Index
from dockyard.packages.deb.pins import locked_repository, open_suites, pin
from dockyard.packages.deb.sources import Origins
from dockyard.packages.fetch import Progress


@dataclass(frozen=True, slots=True)
class MadeLock:
    """A lock that was written. changes: lines for people against the lock before.

    unmet: what pinned packages depend on that the distribution does not have.
    """

    lock: Lock
    path: Path
    changes: tuple[str, ...]
    unmet: tuple[str, ...]


def suites(loaded: LoadedDistro) -> list[Suite]:
    """The suites that components are imported from, in order of preference."""
    upstream = loaded.distro.upstream
    return [
        Suite(suite.name, component)
        for suite in (upstream.debian.suites if upstream else ())
        for component in suite.components
    ]


def check_suites(loaded: LoadedDistro, lock: Lock) -> None:
    """Refuse a lock that was made of other suites (`distro.lock-stale`)."""
    declared = {suite.id for suite in suites(loaded)}
    locked = {repository.id for repository in lock.repositories}
    if declared != locked:
        why = f"it was made of {', '.join(sorted(locked))}, not of {', '.join(sorted(declared))}"
        what = f"the lock of {loaded.distro.name} does not fit its upstream"
        fix = f"run: dockyard distro lock {loaded.directory}"
        raise DockyardError(Problem("distro.lock-stale", what, str(lock_path(loaded)), why, fix))


def make_lock(
    loaded: LoadedDistro,
    store: Path,
    origins: Origins,
    *,
    refresh_missing: bool = False,
    progress: Progress | None = None,
) -> MadeLock:
    """Choose the newest version of every declared package and write the lock.

    refresh_missing: keep the pins that are there and still offered; move only those that are gone
    or not yet pinned. Raises DockyardError for packages that no suite has.
    """
    wanted = suites(loaded)
    if not wanted:
        what = f"{loaded.distro.name} imports nothing: there is nothing to lock"
        raise DockyardError(Problem("distro.no-upstream", what, str(loaded.files[0])))
    index, files = open_suites(wanted, store, origins, progress)
    path = lock_path(loaded)
    before = lockfile.load(path).packages if path.is_file() else ()
    chosen = _choose(loaded, index, before if refresh_missing else ())
    pins = sorted(pin(candidate) for candidate in chosen.values())
    lock = Lock(
        subject=loaded.distro.name,
        request=Request(tuple(sorted(chosen)), architecture=loaded.distro.architecture),
        repositories=tuple(locked_repository(file) for file in files),
        packages=tuple(pins),
    )
    write_atomic(path, lockfile.dump(lock).encode())
    return MadeLock(lock, path, tuple(_changes(before, pins)), tuple(_unmet(loaded, index, chosen)))


def _choose(loaded: LoadedDistro, index: Index, kept: Iterable[Pin]) -> dict[str, Candidate]:
    """The candidate of every declared package: the kept pin's, else the newest."""
    digests = {item.name: item.digest for item in kept}
    problems = Problems()
    chosen: dict[str, Candidate] = {}
    for component, name, _ in loaded.imports():
        found = index.named(name)
        pinned = [item for item in found if item.digest == digests.get(name)]
        if found:
            chosen[name] = (pinned or found)[0]
        else:
            problems.add(
                "distro.unknown-package",
                f"no suite has the package {name}",
                loaded.positions.get(component),
                fix="mend `import`, or add the suite that has it",
            )
    problems.raise_any()
    return chosen


def _changes(before: Iterable[Pin], after: Iterable[Pin]) -> Iterable[str]:
    old = {item.name: item.evr for item in before}
    new = {item.name: item.evr for item in after}
    for name in sorted(old.keys() | new.keys()):
        if name not in old:
            yield f"+ {name} {new[name]}"
        elif name not in new:
            yield f"- {name} {old[name]}"
        elif old[name] != new[name]:
            yield f"  {name} {old[name]} -> {new[name]}"


def _unmet(loaded: LoadedDistro, index: Index, chosen: Mapping[str, Candidate]) -> Iterable[str]:
    """What pinned packages depend on that no component and no own package gives."""
    pinned = {candidate.number for candidate in chosen.values()}
    given = set(loaded.distro.drop_requires)
    for package in loaded.packages:
        given |= {package.name, *(text.split()[0] for text in package.provides)}
    for component in loaded.components.values():
        given |= {text.split()[0] for text in component.provides}
    wanted: dict[str, set[str]] = {}
    for component_name, upstream, declaration in loaded.imports():
        solvable = index.pool.solvables[chosen[upstream].number]
        for dep in solvable.lookup_deparray(solv.SOLVABLE_REQUIRES):
            if any(provider.id in pinned for provider in index.pool.whatprovides(dep)):
                continue
            # A versioned relation asks for `=name`, see `packages.deb.index`.
            names = [part.split()[0].lstrip("=(") for part in str(dep).split(" | ")]
            left = [name for name in names if name not in declaration.drop_requires]
            if left and not given.intersection(left):
                wanted.setdefault(" | ".join(dict.fromkeys(left)), set()).add(component_name)
    for names_text, components in sorted(wanted.items()):
        yield f"no component gives {names_text}, which {', '.join(sorted(components))} needs"
