"""The steps that change the packages of an image that exists."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from dockyard.engine.step import Step, names_of
from dockyard.model.package_change import Act, PackageChange
from dockyard.packages.rpm.pinned import rpm_repositories
from dockyard.pipeline.arguments.packages import ChangeDebs, ChangePackages, RemoveManager
from dockyard.pipeline.installed_debs import KnownDebs
from dockyard.pipeline.package_steps import fetch_step

if TYPE_CHECKING:
    from dockyard.pipeline.package_facts import InstalledFacts
    from dockyard.pipeline.package_plan import PackageChanges
    from dockyard.pipeline.request import ImageRequest

_STEPS = "dockyard.pipeline.steps"
_OWN_BACKEND = "sqlite"  # of databases that we make


def package_layer(
    request: ImageRequest, changes: PackageChanges, below: tuple[Step, ...], tools: Step
) -> Step | None:
    """The layer with the changed packages; None where nothing changes."""
    lock = replace(changes.lock, tools=())
    if not lock.packages and not lock.removed:
        return None
    inputs: tuple[Step, ...] = (tools, *below)
    if lock.packages:
        file, offline = changes.lock_file, request.origins.offline
        inputs = (*inputs, fetch_step(lock, file, changes.repositories, offline))
    title = f"Change packages: {summary(changes.changes)}"
    details = tuple(map(line, changes.changes))
    installed = changes.installed
    if isinstance(installed, KnownDebs):
        debs = ChangeDebs(
            packages={pin.nevra: pin.digest for pin in lock.packages},
            removed=lock.removed,
            packaging=request.family.packaging,
            epoch=request.epoch,
            below=names_of(below),
            lock=lock,
            lock_file=changes.lock_file,
            repositories=changes.repositories,
            offline=request.origins.offline,
        )
        function = f"{_STEPS}.change_debs:change_debs"
        return Step.of("packages", title, function, debs, inputs, name="packages", details=details)
    wanted = ChangePackages(
        packages={pin.nevra: pin.content or pin.digest for pin in lock.packages},
        signed=tuple(sorted(pin.nevra for pin in lock.packages if pin.content is None)),
        removed=lock.removed,
        place=installed.place,
        backend=installed.backend,
        documents=installed.documents,
        packaging=request.family.packaging,
        epoch=request.epoch,
        below=names_of(below),
        lock=lock,
        lock_file=changes.lock_file,
        repositories=rpm_repositories(changes.repositories),
        offline=request.origins.offline,
    )
    return Step.of(
        "packages",
        title,
        f"{_STEPS}.change:change_packages",
        wanted,
        inputs,
        name="packages",
        details=details,
    )


def unmanaged_layer(
    request: ImageRequest, installed: InstalledFacts | None, below: tuple[Step, ...], tools: Step
) -> Step:
    """The layer without the package manager. installed: None for an image that is made of packages,
    whose database is as we make them.
    """
    wanted = RemoveManager(
        place=installed.place if installed else request.family.packaging.database,
        backend=installed.backend if installed else _OWN_BACKEND,
        packaging=request.family.packaging,
        architecture=request.architecture,
        protected=installed.protected if installed else (),
        kernels=installed.kernels if installed else (),
        epoch=request.epoch,
        below=names_of(below),
    )
    return Step.of(
        "unmanaged",
        "Remove the package manager and its data",
        f"{_STEPS}.change:remove_manager",
        wanted,
        (tools, *below),
        name="unmanaged",
    )


_VERBS = {
    Act.INSTALL: "installed",
    Act.BESIDE: "installed beside another version",
    Act.UPDATE: "updated",
    Act.DOWNGRADE: "downgraded",
    Act.REMOVE: "removed",
}


def summary(changes: Iterable[PackageChange]) -> str:
    """How many packages come to what."""
    counts = dict.fromkeys(_VERBS, 0)
    for each in changes:
        counts[each.act] += 1
    return ", ".join(f"{count} {_VERBS[act]}" for act, count in counts.items() if count)


def line(change: PackageChange) -> str:
    """A change in a line of text."""
    match change.act:
        case Act.REMOVE:
            return f"{change.name} {change.before} removed: {change.why}"
        case Act.UPDATE | Act.DOWNGRADE:
            return f"{change.name} {change.before} -> {change.after}: {change.why}"
        case _:
            return f"{change.name} {change.after} {_VERBS[change.act]}: {change.why}"
