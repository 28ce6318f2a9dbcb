"""The rules of `os`."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator

from dockyard.model.base import (
    Mistake,
    Segment,
    absolute_path_mistakes,
    has_blank,
    separator_mistakes,
)
from dockyard.model.content import same_destinations
from dockyard.model.image import PackageList
from dockyard.model.os import Initrd, Module, Os, Overlay, Packages, Services

# RFC 1123 labels: letters, digits and inner hyphens, up to 63 characters each.
_LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOSTNAME = rf"(?=.{{1,253}}$){_LABEL}(\.{_LABEL})*\.?"

LONGEST_HOSTNAME = 64


def package_names(names: Iterable[str], *at: Segment) -> Iterator[Mistake]:
    for index, name in enumerate(names):
        if not name.strip() or has_blank(name) or name.startswith("-"):
            yield Mistake(
                (*at, index),
                "config.package-name",
                f"{name!r} is not the name of a package" if name else "the package has no name",
                "give one name per item",
                reads=(at,),
            )


def package_list(value: PackageList) -> Iterator[Mistake]:
    yield from package_names(value.packages, "packages")


def packages(value: Packages) -> Iterator[Mistake]:
    for key in ("install", "remove", "update"):
        yield from package_names(getattr(value, key), key)
    for key, lists in (
        ("installLists", value.install_lists),
        ("removeLists", value.remove_lists),
        ("updateLists", value.update_lists),
    ):
        for index, path in enumerate(lists):
            if not path.strip():
                yield Mistake((key, index), "config.empty", "the list has no path", "name a file")


def unit_name(name: str) -> str:
    """`sshd.service` of `sshd`: systemctl's own shorthand."""
    types = ".service .socket .timer .target .mount .automount .path .slice .swap .device .scope"
    return name if name.endswith(tuple(types.split())) else f"{name}.service"


def services(value: Services) -> Iterator[Mistake]:
    for key in ("enable", "disable"):
        for index, name in enumerate(getattr(value, key)):
            if not name or has_blank(name) or "/" in name or name.startswith("-"):
                yield Mistake(
                    (key, index),
                    "config.service-name",
                    f"{name!r} is not the name of a unit" if name else "the unit has no name",
                    "write a name such as `sshd` or `sshd.socket`",
                    reads=((key,),),
                )
    enabled = {unit_name(name) for name in value.enable if name}
    for index, name in enumerate(value.disable):
        if unit_name(name) in enabled:
            yield Mistake(
                ("disable", index),
                "config.service-conflict",
                f"`{name}` is to be enabled and to be disabled",
                "keep one of the two",
            )


def module(value: Module) -> Iterator[Mistake]:
    if not value.name:
        yield Mistake(("name",), "config.required", "the module has no `name`", "add `name`")
    elif has_blank(value.name) or "/" in value.name:
        yield Mistake(
            ("name",),
            "config.module-name",
            f"{value.name!r} is not the name of a module",
            "give one module per item",
        )
    for key, text in value.options.items():
        for what, part in (("name", key), ("value", text)):
            if not part or has_blank(part):
                yield Mistake(
                    ("options", key),
                    "config.module-option",
                    f"the {what} of option {key!r} is {'blank' if part else 'empty'}",
                    "write `name: value`, without spaces inside",
                )


def initrd(value: Initrd) -> Iterator[Mistake]:
    for index, name in enumerate(value.modules):
        if not name or has_blank(name) or "/" in name:
            yield Mistake(
                ("modules", index),
                "config.module-name",
                f"{name!r} is not the name of a module" if name else "the module has no name",
                "give one module per item",
            )


def _overlay_path(path: str, *at: Segment) -> Iterator[Mistake]:
    odd = list(separator_mistakes(path, *at))
    yield from odd or absolute_path_mistakes(path, *at)


def overlay(value: Overlay) -> Iterator[Mistake]:
    for key, paths in (
        ("lowerDirs", value.lower_dirs),
        ("mountDependencies", value.mount_dependencies),
    ):
        for index, path in enumerate(paths):
            yield from _overlay_path(path, key, index)
    for key, path in (
        ("upperDir", value.upper_dir),
        ("workDir", value.work_dir),
        ("mountPoint", value.mount_point),
    ):
        yield from _overlay_path(path, key)
    if has_blank(value.mount_options):
        yield Mistake(
            ("mountOptions",),
            "config.mount-options",
            "the mount options have a blank",
            "separate options by commas alone",
        )
    upper, work = (path.rstrip("/") + "/" for path in (value.upper_dir, value.work_dir))
    if value.upper_dir and value.work_dir and (upper.startswith(work) or work.startswith(upper)):
        yield Mistake(
            ("workDir",),
            "config.overlay-nested",
            "`upperDir` and `workDir` are the same or one is inside the other",
            "put them side by side on the same file system",
        )


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def hostname(name: str) -> Iterator[Mistake]:
    reads: tuple[tuple[Segment, ...], ...] = (("hostname",),)
    if name and (not re.fullmatch(_HOSTNAME, name) or _is_address(name)):
        yield Mistake(
            ("hostname",),
            "config.hostname",
            f"{name!r} is an address, not a host name"
            if _is_address(name)
            else f"{name!r} is not a host name",
            "use letters, digits and hyphens, in parts joined by dots",
            reads=reads,
        )
    elif len(name) > LONGEST_HOSTNAME:
        yield Mistake(
            ("hostname",),
            "config.hostname",
            f"the host name is {len(name)} characters long",
            f"use at most {LONGEST_HOSTNAME}, or the first part of the name alone",
            "the kernel allows no longer name (HOST_NAME_MAX), so the machine would start without",
            reads=reads,
        )


def os(value: Os) -> Iterator[Mistake]:
    yield from hostname(value.hostname)
    yield from same_destinations(value.additional_files, "additionalFiles")
    for key, kind, names in (
        ("modules", "module", [item.name for item in value.modules]),
        ("users", "user", [item.name for item in value.users]),
        ("groups", "group", [item.name for item in value.groups]),
    ):
        yield from _duplicates(names, kind, key, "name")
    for field in ("mountPoint", "upperDir", "workDir"):
        name = {"mountPoint": "mount_point", "upperDir": "upper_dir", "workDir": "work_dir"}[field]
        paths = [getattr(item, name).rstrip("/") for item in value.overlays]
        yield from _duplicates(paths, f"overlay with {field}", "overlays", field)


def _duplicates(names: list[str], kind: str, key: str, field: str) -> Iterator[Mistake]:
    seen: set[str] = set()
    for index, name in enumerate(names):
        if name and name in seen:
            yield Mistake(
                (key, index, field),
                "config.duplicate",
                f"{kind} {name!r} is given twice",
                "merge the two, or rename one",
                reads=((key,),),
            )
        seen.add(name)
