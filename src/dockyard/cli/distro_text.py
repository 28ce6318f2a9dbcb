"""What a distribution's definition says, as `dockyard distro check` prints it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dockyard.cli import terminal
from dockyard.distro.described import Described, Given, Source
from dockyard.model.family import ARCHITECTURES

_GIVEN: Mapping[Given, str] = {
    Given.DEFINITION: "",
    Given.OPTION: ", as an option or the environment says",
    Given.HOST: ", as the host's apt says",
    Given.NOBODY: "",
}


def as_text(found: Described) -> str:
    """The definition in lines, its repositories last."""
    distro = found.distro
    family = distro.of_family
    named = ARCHITECTURES[distro.kind][distro.architecture]
    packaging = family.packaging
    head = [
        ("definition", str(found.file)),
        ("packages", f".{distro.kind} for {named}{_beside(found)}"),
        ("family", family.name),
        ("database", f"{packaging.database}, of {packaging.tool}"),
        ("manager", packaging.manager),
        ("boot loader", ", or ".join(_loaders(found))),
    ]
    lines = [f"{distro.title or distro.name}: {distro.name} {distro.version}"]
    lines += [f"  {label:12}{text}" for label, text in head]
    # What is said of several in the same words is said once.
    alike: dict[tuple[tuple[str, str], ...], list[str]] = {}
    for source in found.sources:
        alike.setdefault(tuple(_rows(source)), []).append(source.id)
    for said, ids in alike.items():
        lines += ["", *terminal.wrapped(", ".join(ids), "")]
        lines += [f"  {label:12}{text}" for label, text in said]
    return "\n".join(lines)


def as_json(found: Described) -> dict[str, Any]:
    """The same as data."""
    distro = found.distro
    family = distro.of_family
    return {
        "definition": str(found.file),
        "name": distro.name,
        "version": distro.version,
        "title": distro.title,
        "architecture": str(distro.architecture),
        "packages": str(distro.kind),
        "base": distro.archive.base if distro.archive else None,
        "parts": found.parts,
        "family": family.name,
        "database": family.packaging.database,
        "manager": family.packaging.manager,
        "bootLoaders": list(_loaders(found)),
        "repositories": [
            {
                "id": each.id,
                "enabled": each.enabled,
                "archive": each.archive or None,
                "addresses": list(each.addresses),
                "given": str(each.given),
                "keys": list(each.keys),
                "keyFiles": list(each.key_files),
                "elsewhere": list(each.elsewhere),
                "checks": list(each.checks),
            }
            for each in found.sources
        ],
    }


def _loaders(found: Described) -> Iterator[str]:
    family = found.distro.of_family
    yield family.loader.name
    if family.by_grub:
        yield family.by_grub.name


def _beside(found: Described) -> str:
    archive = found.distro.archive
    if archive:
        return f", those of priority {archive.base} in every image"
    if found.parts:
        return f", made here of {terminal.count(found.parts, 'component')}"
    return ""


def _rows(source: Source) -> Iterator[tuple[str, str]]:
    if not source.enabled:
        yield "disabled", "packages are not taken from it"
        return
    if source.given is Given.NOBODY:
        yield "from", f"the archive {source.archive}, which nothing on this host says the place of:"
        yield "", f"name it with --debian-mirror {source.archive}=ADDRESS"
    for number, address in enumerate(source.addresses):
        yield "" if number else "from", address + _GIVEN[source.given]
    yield "verified", " and ".join(source.checks) or "nothing"
    for number, key in enumerate(source.keys):
        yield "" if number else "keys", key
    for number, file in enumerate(source.key_files):
        there = "; fetched when it is first used" if file in source.elsewhere else ""
        yield "" if number else "in", file + there
