"""Reads a distribution's files into its model, with every mistake of every file at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from dockyard.config import source
from dockyard.config.kinds import FileKind, require_kind
from dockyard.config.report import Report
from dockyard.distro.imports import Import
from dockyard.errors import DockyardError, Position, Problem
from dockyard.model.distro import (
    Component,
    ComponentsFile,
    Distro,
    Package,
    Scriptlet,
    ScriptletsFile,
)

FILE_NAME = "distro.yaml"
M = TypeVar("M", bound=BaseModel)


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


def load_distro(path: Path) -> LoadedDistro:
    """Read distro.yaml (or the directory that has it) and every file that it names.

    Raises DockyardError with every mistake, each with file, line and column.
    """
    file = path / FILE_NAME if path.is_dir() else path
    fix = f"name a directory with a {FILE_NAME}, such as distros/harbor"
    if not file.is_file():
        raise DockyardError(
            Problem(
                "distro.missing",
                f"there is no distribution at {path}",
                fix=fix,
            )
        )
    require_kind(file, source.read_text(file), FileKind.DISTRO, fix)
    report = Report()
    reader = _Reader(report, file.parent.absolute())
    distro = reader.model(file, Distro)
    report.raise_any()
    assert distro is not None
    components: dict[str, Component] = {}
    for name in distro.components:
        found = reader.model(file.parent / name, ComponentsFile, "components")
        reader.merge(components, found.components if found else {})
    packages: list[Package] = []
    for name in distro.packages:
        package = reader.model(file.parent / name, Package)
        if package:
            packages.append(package)
    scriptlets: dict[str, Scriptlet] = {}
    if distro.scriptlets:
        declared = reader.model(file.parent / distro.scriptlets, ScriptletsFile)
        scriptlets = declared.scriptlets if declared else {}
    report.raise_any()
    loaded = LoadedDistro(
        file.parent.absolute(),
        distro,
        components,
        tuple(packages),
        scriptlets,
        reader.positions,
        tuple(reader.files),
    )
    _check(loaded)
    return loaded


class _Reader:
    """Reads one file after the other; mistakes go to the report."""

    def __init__(self, report: Report, directory: Path) -> None:
        self._report = report
        self._directory = directory
        self.files: list[Path] = []
        self.positions: dict[str, Position] = {}

    def model(self, file: Path, model: type[M], named: str = "") -> M | None:
        """A file as a model; None when it has mistakes. named: the mapping of declarations."""
        self.files.append(file)
        try:
            text = source.read_text(file)
        except DockyardError as error:
            self._report.extend(error.problems)
            return None
        root = source.parse(text, str(file), self._report)
        if root is None:
            return None
        try:
            found = model.model_validate(_plain(root))
        except ValidationError as error:
            for detail in error.errors(include_url=False):
                self._mistake(root, detail["loc"], detail["msg"], detail["type"])
            return None
        self._remember(root, named, found)
        return found

    def merge(self, known: dict[str, Component], more: Mapping[str, Component]) -> None:
        for name, component in more.items():
            if name in known:
                self._report.extend(
                    (
                        Problem(
                            "distro.declared-twice",
                            f"the component {name} is declared in two files",
                            self.positions.get(name),
                        ),
                    )
                )
            known[name] = component

    def _remember(self, root: source.Node, named: str, found: BaseModel) -> None:
        if not isinstance(root, source.Mapping):
            return
        if isinstance(found, Package):
            self.positions[found.name] = root.at.position
        declared = root.get(named) if named else None
        if isinstance(declared, source.Mapping):
            for key, _ in declared.entries:
                self.positions[key.text] = key.at.position

    def _mistake(
        self, root: source.Node, path: tuple[int | str, ...], message: str, kind: str
    ) -> None:
        span = root.at
        node: source.Node | None = root
        for step in path:
            node, span = _child(node, step, span)
        dotted = ".".join(str(step) for step in path if step != "[key]")
        what = message.removeprefix("Value error, ")
        if kind == "extra_forbidden":
            what = "this key is not known here"
        self._report.add("distro.invalid", f"{dotted}: {what}" if dotted else what, span)


def _child(
    node: source.Node | None, step: int | str, span: source.Span
) -> tuple[source.Node | None, source.Span]:
    """The node of one step of a location, and where it stands; the parent's place if it has none
    (the alternatives of a union are steps that no node has).
    """
    if isinstance(node, source.Mapping):
        for key, value in node.entries:
            if key.text == str(step):
                leaf = isinstance(value, source.Scalar) and not value.is_null
                return value, value.at if leaf else key.at
        return node, span
    if isinstance(node, source.Sequence) and isinstance(step, int) and step < len(node.items):
        return node.items[step], node.items[step].at
    return node, span


def _plain(node: source.Node) -> Any:
    """The values: texts as they stand (the model knows what they should be), null as None."""
    if isinstance(node, source.Scalar):
        return None if node.is_null else node.text
    if isinstance(node, source.Sequence):
        return [_plain(item) for item in node.items]
    return {key.text: _plain(value) for key, value in node.entries}


def _check(loaded: LoadedDistro) -> None:
    """What one file alone cannot show: names used twice, placeholders and scriptlets that do not
    exist.
    """
    problems: list[Problem] = []
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
