"""Reads a distribution's files into its model, with every mistake of every file at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from dockyard.config.decode import Decoder
from dockyard.config.load import read_model
from dockyard.config.report import Report
from dockyard.distro.header import read_header
from dockyard.distro.imports import Import
from dockyard.errors import DockyardError, Position, Problem
from dockyard.model.architecture import Architecture
from dockyard.model.base import Model
from dockyard.model.components import Component, ComponentsFile, Directory, Package, Payload
from dockyard.model.distro import Distro
from dockyard.model.scriptlets import Scriptlet, ScriptletsFile

M = TypeVar("M", bound=Model)
P = TypeVar("P", bound=Payload)


@dataclass(frozen=True, slots=True)
class LoadedDistro:
    """A distribution as it was declared. positions: of components and packages, by name."""

    directory: Path
    distro: Distro
    components: Mapping[str, Component]
    packages: tuple[Package, ...]
    scriptlets: Mapping[str, Scriptlet]
    positions: Mapping[str, Position]
    files: tuple[Path, ...]

    @property
    def epoch(self) -> int:
        return self.distro.epoch or 0

    @property
    def title(self) -> str:
        return self.distro.title or self.distro.name

    def imports(self) -> Iterator[Import]:
        """Every package to import."""
        for name, component in self.components.items():
            for upstream in component.import_ or (name,):
                yield Import(name, upstream, component)

    def places(self) -> dict[str, Position]:
        """Where each RPM of the distribution is declared, by its name."""
        found = dict(self.positions)
        for item in self.imports():
            if item.component in self.positions:
                found[item.rpm_name] = self.positions[item.component]
        return found


def load_distro(path: Path, architecture: Architecture | None = None) -> LoadedDistro:
    """Read distro.yaml (or the directory that has it) and every file that it names, as they are for
    an architecture: None for the first that it has.

    Raises DockyardError with every mistake, each with file, line and column.
    """
    header = read_header(path, architecture)
    distro, directory = header.distro, header.file.parent
    reader = _Reader()
    components: dict[str, Component] = {}
    for name in distro.components:
        reader.components(directory / name, components)
    packages = [
        package for name in distro.packages if (package := reader.package(directory / name))
    ]
    scriptlets: Mapping[str, Scriptlet] = {}
    if distro.scriptlets:
        declared, _ = reader.read(directory / distro.scriptlets, ScriptletsFile)
        scriptlets = declared.scriptlets if declared else {}
    reader.report.raise_any()
    loaded = LoadedDistro(
        header.directory,
        distro,
        dict(_for_one(components.items(), distro.architecture)),
        tuple(each for _, each in _for_one(((p.name, p) for p in packages), distro.architecture)),
        scriptlets,
        reader.positions,
        (header.file, *reader.files),
    )
    _check(loaded)
    return loaded


def _for_one(
    declared: Iterable[tuple[str, P]], architecture: Architecture
) -> Iterator[tuple[str, P]]:
    """What is declared for an architecture, as it is for that."""

    def is_for(each: Payload | Directory) -> bool:
        return not each.architectures or architecture in each.architectures

    for name, each in declared:
        if is_for(each):
            directories = tuple(
                replace(one, architectures=()) for one in each.directories if is_for(one)
            )
            yield name, replace(each, architectures=(), directories=directories)


class _Reader:
    """Reads one file after the other; mistakes go to the report."""

    def __init__(self) -> None:
        self.report = Report()
        self.files: list[Path] = []
        self.positions: dict[str, Position] = {}

    def read(self, file: Path, model: type[M]) -> tuple[M | None, Decoder | None]:
        """A file as a model; None when it has mistakes."""
        self.files.append(file)
        try:
            return read_model(model, file, self.report)
        except DockyardError as error:
            self.report.extend(error.problems)
            return None, None

    def components(self, file: Path, known: dict[str, Component]) -> None:
        """Add the components of a file to those of the files before."""
        found, decoder = self.read(file, ComponentsFile)
        if found is None or decoder is None:
            return
        for name, component in found.components.items():
            at = decoder.keys["components", name].position
            if name in known:
                what = f"the component {name} is declared in two files"
                self.report.extend((Problem("distro.declared-twice", what, at),))
            known[name] = component
            self.positions[name] = at

    def package(self, file: Path) -> Package | None:
        found, decoder = self.read(file, Package)
        if found is not None and decoder is not None:
            self.positions[found.name] = decoder.spans[()].position
        return found


def _check(loaded: LoadedDistro) -> None:
    """What one file alone cannot show: names used twice, placeholders and scriptlets that do not
    exist.
    """
    problems: list[Problem] = [*_unknown_suites(loaded)]
    made: dict[str, str] = {}
    for item in loaded.imports():
        name, where = item.rpm_name, loaded.positions.get(item.component)
        if name in made:
            what = f"the package {name} is made by {made[name]} and by {item.component}"
            problems.append(Problem("distro.made-twice", what, where))
        made[name] = item.component
        problems += [
            Problem(
                "distro.unknown-placeholder",
                f"{item.component}: nothing gives a text for {{{unknown}}}",
                where,
                fix="there are {version} and the placeholder of `import`",
            )
            for unknown in item.unknown_placeholders()
        ]
    for package in loaded.packages:
        if package.name in made:
            what = f"the package {package.name} is made by {made[package.name]} too"
            problems.append(Problem("distro.made-twice", what, loaded.positions.get(package.name)))
        made[package.name] = package.name
    named = [*loaded.components.items(), *((item.name, item) for item in loaded.packages)]
    for name, declared in named:
        problems += [
            Problem(
                "distro.no-scriptlet",
                f"{name} names the scriptlet {scriptlet}, which is not declared",
                loaded.positions.get(name),
                fix=f"declare it in {loaded.distro.scriptlets or 'a file named by `scriptlets`'}",
            )
            for scriptlet in declared.scriptlets
            if scriptlet not in loaded.scriptlets
        ]
    if problems:
        raise DockyardError(*problems)


def _unknown_suites(loaded: LoadedDistro) -> Iterator[Problem]:
    upstream = loaded.distro.upstream
    known = [suite.name for suite in (upstream.debian.suites if upstream else ())]
    for name, component in loaded.components.items():
        if component.suite is not None and component.suite not in known:
            yield Problem(
                "distro.unknown-suite",
                f"{name} is taken from the suite {component.suite}, which is not declared",
                loaded.positions.get(name),
                fix=f"name one of {', '.join(known)}, or declare it below `upstream`",
            )
