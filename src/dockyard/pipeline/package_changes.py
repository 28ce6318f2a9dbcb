"""Decides what changes among the packages of an image that exists: before any work, and all of it.

Removals, updates and installations are one question to the solver over what is installed. A lock
beside the image file answers it where there is one, and must fit; else it is answered from the
repositories as they are now, and what was decided is shown, kept in the plan, and pinned by digest
for all that follows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from dockyard.config import LoadedImage, package_names
from dockyard.errors import DockyardError, Problem, Severity
from dockyard.model.architecture import Architecture
from dockyard.model.os import Packages
from dockyard.model.packages import PackageKind, Request
from dockyard.packages import locking as locks
from dockyard.packages.access import Access
from dockyard.packages.deb.system import DebSystem
from dockyard.packages.origins import Origins
from dockyard.packages.request import enabled_streams, snapshot_time
from dockyard.pipeline.change_systems import change_system_of
from dockyard.pipeline.deb_change_repositories import require_whole
from dockyard.pipeline.installed_debs import KnownDebs, kept_debs
from dockyard.pipeline.overrides import Overrides
from dockyard.pipeline.package_facts import InstalledFacts, kept
from dockyard.pipeline.package_plan import PackageChanges

if TYPE_CHECKING:
    from dockyard.pipeline.existing_disk import DiskSource

Facts = TypeVar("Facts", InstalledFacts, KnownDebs)

_MANAGER = "removePackageManager"
_KEYS: Mapping[str, Callable[[Packages], object]] = {
    "install": lambda packages: packages.install,
    "installLists": lambda packages: packages.install_lists,
    "remove": lambda packages: packages.remove,
    "removeLists": lambda packages: packages.remove_lists,
    "update": lambda packages: packages.update,
    "updateLists": lambda packages: packages.update_lists,
    "updateExistingPackages": lambda packages: packages.update_existing_packages,
    _MANAGER: lambda packages: packages.remove_package_manager,
}
_MOST_HELD_BACK = 10


def used_keys(loaded: LoadedImage) -> list[str]:
    """The keys of os.packages that are in use and change packages."""
    packages = loaded.image.os.packages
    return [f"os.packages.{key}" for key, used in _KEYS.items() if used(packages)]


def changes_packages(loaded: LoadedImage) -> bool:
    """Whether packages come, go or change; kernels may be among them."""
    return any(key != f"os.packages.{_MANAGER}" for key in used_keys(loaded))


def refused(loaded: LoadedImage, source: DiskSource) -> Iterator[Problem]:
    """A problem for every key in use that cannot be honoured for an image of this kind."""
    keys = used_keys(loaded)
    if source.family.packaging.kind is PackageKind.DEB:
        yield from DebSystem().refused(loaded)
    if source.installed is None:
        for key in keys:
            yield loaded.problem(
                key,
                "image.packages-not-changed",
                f"`{key}` asks for what the image cannot have any more",
                why="it has no database of packages",
                fix=f"remove `{key}`, or begin with an image that has its database",
            )


def judge_unmanaged(source: DiskSource, cache: Path) -> None:
    """Raise DockyardError where an image's package manager cannot go without what must stay."""
    from dockyard.install.unmanaged import without_manager

    facts = installed_facts(source)
    without_manager(
        facts.metadata,
        source.architecture,
        cache,
        protected=facts.protected,
        kernels=facts.kernels,
    )


def installed_facts(source: DiskSource) -> InstalledFacts:
    """What is known of the packages of an image that has a database of RPM packages."""
    assert source.installed is not None
    return _still_known(kept(source.installed), source.installed)


def known_packages(source: DiskSource) -> InstalledFacts | KnownDebs:
    """What is known of the packages of an image, of either format, that has a database of them.
    Raises DockyardError for a system whose packages cannot be changed as it is.
    """
    if source.family.packaging.kind is PackageKind.RPM:
        return installed_facts(source)
    assert source.installed is not None
    found = _still_known(kept_debs(source.installed), source.installed)
    require_whole(found, source)
    return found


def _still_known(found: Facts | None, place: Path) -> Facts:
    """Raise DockyardError (`image.packages-forgotten`) where the facts of an image are gone."""
    if found is None:
        what = "what was known of the image's packages is gone from the store"
        fix = "run the command again"
        raise DockyardError(Problem("image.packages-forgotten", what, str(place), fix=fix))
    return found


def change_request(
    loaded: LoadedImage,
    installed: InstalledFacts | KnownDebs,
    architecture: Architecture,
    when: str = "",
) -> Request | None:
    """What is asked of the packages; None where nothing is. when: a time in place of the file's."""
    names = package_names(loaded)
    packages = loaded.image.os.packages
    asked = Request(
        install=tuple(sorted(each.name for each in names.install)),
        exclude=installed.exclude,
        architecture=architecture,
        remove=tuple(sorted(each.name for each in names.remove)),
        update=tuple(sorted(each.name for each in names.update)),
        update_all=packages.update_existing_packages,
        modules=tuple(sorted(packages.modules)),
        before=snapshot_time(when or packages.snapshot_time),
        streams=installed.streams,
        protected=installed.protected,
        kernels=installed.kernels,
        wanted_by={
            **enabled_streams(loaded),
            **{each.name: each.position for each in (*names.update, *names.install)},
        },
        unwanted_by={each.name: each.position for each in names.remove},
    )
    return asked if asked.asks_repositories or asked.remove else None


def read_changes(
    loaded: LoadedImage,
    source: DiskSource,
    overrides: Overrides,
    origins: Origins,
    access: Access,
    store: Path,
) -> tuple[PackageChanges | None, tuple[Problem, ...]]:
    """What is to change, and remarks about it; None where nothing is asked for. Raises
    DockyardError with every mistake.
    """
    if source.installed is None:
        return None, ()
    installed = known_packages(source)
    when = overrides.snapshot_time
    request = change_request(loaded, installed, source.architecture, when)
    if request is None:
        return None, ()
    system = change_system_of(installed)
    repositories = system.repositories(loaded, source, request, overrides, origins, store)
    file = loaded.lock_path
    if file.is_file():
        made_by = f"{locks.LOCK_IMAGE} {loaded.words} --image-file {source.image}"
        lock = locks.load(file, made_by)
        image = f"{loaded.words} --image-file {source.image}"
        identity = installed.identity
        locks.require(lock, request, repositories, str(file), image=image, installed=identity)
        found = system.changes(lock, access)
        return PackageChanges(lock, str(file), repositories, installed, found), ()
    lock, chosen = system.decide(loaded.name, request, repositories, access, source.tools)
    remarks = tuple(_held_back(chosen.held_back, loaded))
    return PackageChanges(lock, "", repositories, installed, chosen.changes), remarks


def _held_back(found: tuple[tuple[str, str], ...], loaded: LoadedImage) -> Iterator[Problem]:
    if not found:
        return
    words = [f"{package} (there is {newest})" for package, newest in found[:_MOST_HELD_BACK]]
    more = len(found) - _MOST_HELD_BACK
    yield replace(
        loaded.problem(
            "os.packages.updateExistingPackages",
            "image.held-back",
            f"{len(found)} packages are not updated to what is the newest there",
            why=f"{', '.join(words)}{f', and {more} more' if more > 0 else ''}: what these need is "
            "not there, or another package must stay as it is",
            fix="name one in os.packages.update to be told what stands in its way",
        ),
        severity=Severity.WARNING,
    )


def changed(source: DiskSource, changes: PackageChanges | None) -> DiskSource:
    """An image with what changes in it; its time is not before that of what comes."""
    if changes is None:
        return source
    return replace(
        source,
        changes=changes,
        tools=changes.lock.tools if changes.lock_file else source.tools,
        epoch=max(source.epoch, changes.lock.newest),
        package_count=source.package_count + changes.package_count,
    )
