"""What settings name and an image that exists must have: units, kernel modules, groups, numbers of
accounts, login shells, and the lower directories of overlays. Told of the tree of the image and of
the files of packages that come, before anything is done.

Only what is certain is told: where a package is still to be fetched, or may make what is missing by
a scriptlet, the setting itself finds out when it is applied.
"""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from dockyard.config import LoadedImage
from dockyard.errors import DockyardError, Problem
from dockyard.model.packages import PackageKind, Repository
from dockyard.packages.access import Access
from dockyard.packages.file_lists import FileLists, file_lists
from dockyard.packages.package_file import PackageFile
from dockyard.packages.rpm.pinned import rpm_repositories
from dockyard.pipeline.existing_contents import ExistingContents
from dockyard.pipeline.existing_disk import DiskSource
from dockyard.pipeline.named import below_usr, built_in_modules, unknown_shells, unknown_units
from dockyard.pipeline.named_groups import unknown_groups
from dockyard.tree.accounts import Accounts
from dockyard.tree.additional import AdditionalDirectorySetting, added_paths, plain_path
from dockyard.tree.modules import ModuleSetting, module_name
from dockyard.tree.overlays import OverlaySetting
from dockyard.tree.scripts import ScriptSetting
from dockyard.tree.services import UNIT_DIRECTORIES, ServiceSetting
from dockyard.tree.setting import Setting
from dockyard.tree.users import GroupSetting, UserSetting

if TYPE_CHECKING:
    from dockyard.packages.providing import Provided

_ASKING = (ServiceSetting, ModuleSetting, OverlaySetting, GroupSetting, UserSetting)
_MODULES = "/usr/lib/modules/"
_TMPFILES = "/usr/lib/tmpfiles.d/"


@dataclass(frozen=True)
class Parts:
    """What an image has once its packages changed and files were added. contents: before that.
    coming: of the packages that come; added: files that settings bring, by their paths.
    """

    contents: ExistingContents
    coming: FileLists
    added: Collection[str]

    @cached_property
    def brought(self) -> set[str]:
        """Every path that is new."""
        return {below_usr(path) for path in self.coming.paths} | {*map(below_usr, self.added)}

    def has(self, path: str) -> bool:
        """Whether anything is at a path."""
        return self.contents.has(path) or below_usr(path) in self.brought


def known_parts(source: DiskSource, settings: Sequence[Setting], access: Access) -> Parts | None:
    """What an image will have; None while that is not known for certain."""
    if source.contents is None:
        return None
    coming: FileLists | None = FileLists()
    if source.changes is not None:
        lock = source.changes.lock
        own = rpm_repositories(source.changes.repositories)
        coming = file_lists(lock.packages, own, access)
        if any(pin.kind is not PackageKind.RPM for pin in lock.packages):
            coming = None
    return Parts(source.contents, coming, added_paths(settings)) if coming else None


def unknown_in_image(
    loaded: LoadedImage, source: DiskSource, settings: Sequence[Setting], access: Access
) -> Iterator[Problem]:
    """The problems of names that nothing in the image has, and of numbers that are taken in it."""
    if not any(isinstance(each, _ASKING) for each in settings) or source.contents is None:
        return
    if source.changes is None or not source.changes.lock.removed:
        yield from _taken_numbers(loaded, settings, source.contents)
    parts = known_parts(source, settings, access)
    if parts is None:
        return
    repositories = source.changes.repositories if source.changes else ()

    def provided(wanted: Iterable[str]) -> Mapping[str, Provided]:
        return provided_by(wanted, repositories, source, access)

    asked = [each for each in settings if isinstance(each, ServiceSetting)]
    places = {f"{UNIT_DIRECTORIES[-1]}/{name}" for name in parts.contents.units} | parts.brought
    yield from unknown_units(asked, places, provided)
    yield from _static(asked, parts)
    yield from _modules(settings, parts)
    groups = _names(parts.contents, "/etc/group")
    yield from unknown_groups(settings, parts.coming.packages, groups)
    users = [each for each in settings if isinstance(each, UserSetting)]
    there = {each.shell for each in users if each.shell and parts.has(each.shell)}
    yield from unknown_shells(users, {below_usr(path) for path in there}, provided)
    yield from _lower_directories(loaded, settings, parts)


def without_program(
    source: DiskSource,
    settings: Sequence[Setting],
    scripts: Sequence[ScriptSetting],
    access: Access,
) -> Iterator[Problem]:
    """The problem of the first script, where nothing in the image can run it: others may be run by
    what it makes.
    """
    parts = known_parts(source, settings, access) if scripts else None
    if parts is not None and (problem := scripts[0].without_program(parts.has)):
        yield problem


def provided_by(
    wanted: Iterable[str], repositories: Sequence[Repository], source: DiskSource, access: Access
) -> Mapping[str, Provided]:
    """Which packages provide paths or programs, as far as metadata on this machine tell."""
    from dockyard.packages.providing import who_provides

    return who_provides(wanted, rpm_repositories(repositories), access, source.architecture)


def _names(contents: ExistingContents, path: str) -> set[str]:
    return {line.partition(":")[0] for line in contents.accounts[path].splitlines() if line}


# ------------------------------------------------------------------------------ units, modules


def _static(asked: Sequence[ServiceSetting], parts: Parts) -> Iterator[Problem]:
    """Units that cannot be enabled; not those that something new is about."""
    units = parts.contents.units
    for each in asked:
        there = [name for name in each.files if name in units]
        if not each.enable or not there or any(units[name] for name in there):
            continue
        if _is_changed(each, parts):
            continue
        by = {by for by, started in parts.contents.starters if started == each.unit}
        yield each.static(sorted(by))


def _is_changed(service: ServiceSetting, parts: Parts) -> bool:
    own = tuple(f"{place}/{name}" for place in UNIT_DIRECTORIES for name in service.files)
    return any(path in own or posixpath.dirname(path)[:-2] in own for path in parts.brought)


def _modules(settings: Sequence[Setting], parts: Parts) -> Iterator[Problem]:
    asked = [each for each in settings if isinstance(each, ModuleSetting)]
    if not asked:
        return
    new = {module_name(path) for path in parts.coming.paths
           if below_usr(path).startswith(_MODULES) and ".ko" in path}  # fmt: skip
    built_in = parts.contents.built_in | (built_in_modules(parts.coming) if new else set())
    known = parts.contents.modules | new | built_in
    for each in asked:
        if problem := each.built_in(built_in) or each.lacking(known):
            yield problem


# ------------------------------------------------------------------------------ accounts


def _taken_numbers(
    loaded: LoadedImage, settings: Sequence[Setting], contents: ExistingContents
) -> Iterator[Problem]:
    """Numbers of users and groups that the image gives to others, or other ones to them."""
    accounts = Accounts(_Texts(contents.accounts), 0)
    for index, group in enumerate(each for each in settings if isinstance(each, GroupSetting)):
        try:
            accounts.add_group(group.name, group.gid)
        except DockyardError as error:
            at = loaded.position(f"os.groups[{index}].gid")
            yield from (replace(problem, where=at) for problem in error.problems)
    for index, user in enumerate(each for each in settings if isinstance(each, UserSetting)):
        for name in user.groups:
            accounts.add_group(name)  # whether it is there is another question
        try:
            accounts.add_user(
                user.name, uid=user.uid, group=user.primary_group, home=None, shell=None
            )
        except DockyardError as error:
            at = loaded.position(f"os.users[{index}].uid")
            yield from (replace(problem, where=at) for problem in error.problems)


class _Texts:
    """Account files as they were read."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = texts

    def lstat(self, path: str, /) -> None:
        """They have no modes here."""

    def read_text(self, path: str, /) -> str:
        return self._texts.get(path, "")

    def write(self, path: str, data: bytes, /, *, mode: int, gid: int) -> None:
        """Nothing is written."""


# ------------------------------------------------------------------------------ overlays


def _lower_directories(
    loaded: LoadedImage, settings: Sequence[Setting], parts: Parts
) -> Iterator[Problem]:
    if not any(isinstance(each, OverlaySetting) for each in settings):
        return
    made = {path for at in parts.brought for path in _above(at)}
    made |= {below_usr(path) for path in parts.coming.paths}
    overlays = 0
    for each in settings:
        if isinstance(each, UserSetting):
            made |= _with_above(each.home or f"/home/{each.name}")
        elif isinstance(each, AdditionalDirectorySetting):
            made |= _with_above(each.destination)
            for path, value, _ in each.content:
                made |= _with_above(each.target(path)) if not value else set()
        elif isinstance(each, OverlaySetting):
            for number, path in enumerate(each.lower):
                if not _may_be_directory(path, parts, made):
                    at = loaded.position(f"os.overlays[{overlays}].lowerDirs[{number}]")
                    yield replace(each.without_lower(path), where=at)
            overlays += 1
            for path in (each.mount_point, each.upper, each.work):
                made |= _with_above(path)


def _may_be_directory(path: str, parts: Parts, made: Collection[str]) -> bool:
    """Whether a path is a directory, or may be made one by what a package does."""
    plain = plain_path(path)
    if parts.contents.has_directory(plain) or below_usr(plain) in made:
        return True
    return any(_speaks(package, plain) for package in parts.coming.packages)


def _speaks(package: PackageFile, path: str) -> bool:
    if any(path in script for script in package.scripts()):
        return True
    return any(each.startswith(_TMPFILES) for each in package.paths())


def _above(path: str) -> set[str]:
    """The directories that a path is in."""
    parts = plain_path(path).split("/")[1:-1]
    return {"/" + "/".join(parts[:count]) for count in range(1, len(parts) + 1)}


def _with_above(path: str) -> set[str]:
    return {plain_path(path), *_above(path)}
