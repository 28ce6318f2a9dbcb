"""The lock of a distribution: which upstream package each component is, by digest.

`distro.lock` is beside distro.yaml, and for each further architecture `distro.<architecture>.lock`.
It pins exactly the declared components: what they depend on
beyond that is reported, never pulled in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dockyard.distro.imports import Import
from dockyard.distro.load import LoadedDistro
from dockyard.errors import DockyardError, Problem
from dockyard.model.components import Component
from dockyard.model.packages import Lock, Pin
from dockyard.packages import lockfile
from dockyard.packages.deb.suite import Suite

_LOCK_NAME = "distro{}.lock"


@dataclass(frozen=True, slots=True)
class PinnedImport:
    """An imported package with its pin. name: of the RPM.

    declaration: with every placeholder replaced. strict: each path of it must fit this package.
    """

    component: str
    name: str
    pin: Pin
    declaration: Component
    strict: bool


def lock_path(loaded: LoadedDistro) -> Path:
    return loaded.directory / _LOCK_NAME.format(loaded.distro.of_architecture("."))


def read_lock(loaded: LoadedDistro) -> Lock:
    """The distribution's lock, checked against its declarations; an empty one for a distribution
    that imports nothing.

    Raises DockyardError: `distro.no-lock`, `distro.lock-stale`, and what lockfile raises.
    """
    path = lock_path(loaded)
    if loaded.distro.upstream is None:
        return Lock(loaded.distro.name)
    if not path.is_file():
        what = f"the distribution {loaded.distro.name} has no lock"
        raise DockyardError(Problem("distro.no-lock", what, str(path), fix=_fix(loaded)))
    lock = lockfile.load(path, made_by(loaded))
    if lock.request and lock.request.architecture is not loaded.distro.architecture:
        raise stale(loaded, "architecture", f"it is for {lock.request.architecture}")
    if words := _differences(loaded, lock):
        raise stale(loaded, "components", "; ".join(words), "--refresh-missing")
    return lock


def suites(loaded: LoadedDistro) -> list[Suite]:
    """The suites that components are imported from, in order of preference."""
    upstream = loaded.distro.upstream
    return [
        Suite(suite.name, component, loaded.distro.architecture)
        for suite in (upstream.debian.suites if upstream else ())
        for component in suite.components
    ]


def worlds(loaded: LoadedDistro) -> dict[str | None, list[Suite]]:
    """The suites by what components say of them: those of components that name none, and each one
    by its name.
    """
    upstream = loaded.distro.upstream
    declared = upstream.debian.suites if upstream else ()
    common = {suite.name for suite in declared if not suite.only_named}
    named = {item.declaration.suite for item in loaded.imports() if item.declaration.suite}
    every = suites(loaded)
    found: dict[str | None, list[Suite]] = {None: [each for each in every if each.name in common]}
    found |= {name: [each for each in every if each.name == name] for name in sorted(named)}
    return found


def check_suites(loaded: LoadedDistro, lock: Lock) -> None:
    """Refuse a lock that was made of other suites (`distro.lock-stale`)."""
    # A suite that is taken from by name alone may have no component for this architecture.
    declared = {suite.id for wanted in worlds(loaded).values() for suite in wanted}
    locked = {repository.id for repository in lock.repositories}
    if declared != locked:
        names = ", ".join(sorted(locked)), ", ".join(sorted(declared))
        raise stale(loaded, "upstream", f"it was made of {names[0]}, not of {names[1]}")


def stale(loaded: LoadedDistro, what: str, why: str, *options: str) -> DockyardError:
    """What to raise for a lock that does not fit the declarations. options: of the command that
    makes one that does.
    """
    text = f"the lock of {loaded.distro.name} does not fit its {what}"
    place = str(lock_path(loaded))
    return DockyardError(Problem("distro.lock-stale", text, place, why, _fix(loaded, *options)))


def made_by(loaded: LoadedDistro, *options: str) -> str:
    """The command that makes the lock of a distribution."""
    words = ["dockyard distro lock", *options]
    if chosen := loaded.distro.of_architecture(""):
        words.append(f"--architecture {chosen}")
    return " ".join((*words, str(loaded.directory)))


def _fix(loaded: LoadedDistro, *options: str) -> str:
    return f"run: {made_by(loaded, *options)}"


def pins_of(imports: Iterable[Import], pins: Iterable[Pin]) -> dict[Import, list[Pin]]:
    """The pins that each import may be; those that are asked for by name fit no pattern."""
    found: dict[Import, list[Pin]] = {item: [] for item in imports}
    patterns = [item for item in found if item.is_pattern]
    named: dict[str, list[Import]] = {}
    for item in found:
        named.setdefault(item.upstream, []).append(item)
    for pin in pins:
        for item in named.get(pin.name, patterns):
            if item.fits(pin.name) and item.takes(pin):
                found[item].append(pin)
    return found


def pinned_imports(loaded: LoadedDistro, lock: Lock) -> list[PinnedImport]:
    """Every import with its pin, of a lock that fits."""
    return [
        PinnedImport(
            component=item.component,
            name=item.rpm_name,
            pin=pins[0],
            declaration=item.filled(pins[0]),
            strict=len(item.declaration.import_) <= 1,
        )
        for item, pins in pins_of(loaded.imports(), lock.packages).items()
    ]


def _differences(loaded: LoadedDistro, lock: Lock) -> list[str]:
    """How a lock differs from what is declared, in words."""
    found = pins_of(loaded.imports(), lock.packages)
    used = {pin.name for pins in found.values() for pin in pins}
    asked = lock.request.install if lock.request else ()
    new = [
        item.request
        for item, pins in found.items()
        if not pins or (item.is_pattern and item.request not in asked)
    ]
    old = [pin.name for pin in lock.packages if pin.name not in used]
    words = [f"not in the lock: {', '.join(sorted(new))}"] if new else []
    words += [f"no longer declared: {', '.join(sorted(old))}"] if old else []
    return words + shared(found)


def shared(found: Mapping[Import, Sequence[Pin]]) -> list[str]:
    """Patterns that fit several pins, and pins that fit several patterns."""
    words = []
    fitting: dict[str, list[str]] = {}
    for item, pins in found.items():
        if not item.is_pattern:
            continue
        names = sorted({pin.name for pin in pins})
        if len(names) > 1:
            words.append(f"{item.component} may be any of {', '.join(names)}")
        for name in names:
            fitting.setdefault(name, []).append(item.component)
    words += [
        f"{name} fits {' and '.join(components)}: make their `import` narrower"
        for name, components in fitting.items()
        if len(components) > 1
    ]
    return words
