"""The steps that make the tree of all packages of an image: those of each package format."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from dockyard.engine.step import Step
from dockyard.model.packages import Lock, PackageKind, Repository
from dockyard.pipeline.arguments.names import FETCH
from dockyard.pipeline.arguments.packages import FetchPackages
from dockyard.pipeline.deb_package_steps import deb_packages_step
from dockyard.pipeline.request import ImageRequest
from dockyard.pipeline.rpm_package_steps import rpm_packages_step

_STEPS = "dockyard.pipeline.steps"
_INSTALLED = {PackageKind.RPM: rpm_packages_step, PackageKind.DEB: deb_packages_step}


def packages_step(request: ImageRequest, tools: Step) -> Step:
    """The step that has the tree of all packages."""
    source = request.packages
    alone, offline = replace(source.lock, tools=()), request.origins.offline
    fetch = fetch_step(alone, str(source.lock_file), source.repositories, offline)
    return _INSTALLED[source.kind](request, tools, fetch)


def fetch_step(
    lock: Lock,
    lock_file: str,
    repositories: tuple[Repository, ...],
    offline: tuple[Path, ...],
) -> Step:
    """The step that fetches all packages of a lock. lock_file: for messages."""
    wanted = FetchPackages(
        packages={pin.nevra: pin.content or pin.digest for pin in lock.packages},
        lock=lock,
        lock_file=lock_file,
        repositories=repositories,
        offline=offline,
        signed=tuple(sorted(each.id for each in lock.repositories if each.check_packages)),
    )
    title = f"Fetch {len(lock.packages)} packages"
    return Step.of(FETCH, title, f"{_STEPS}.fetch:fetch_packages", wanted)
