"""What the makers of packages, of imported and of declared files, have in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from dockyard.distro.relations import Relations
from dockyard.errors import DockyardError, Position, Problem
from dockyard.host.files import LARGEST_SOURCE, part_of, read_regular
from dockyard.packages.rpm.contents import FileTrigger, PackageScriptlet, RpmPackage
from dockyard.packages.rpm.writer import write_package


@dataclass(frozen=True, slots=True)
class DistroFacts:
    """What every package of a distribution carries, and what is left out of all imported ones."""

    title: str
    vendor: str
    epoch: int
    drop: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One package to be made; it can be sent to another process.

    directory: of the distribution's files. where: the declaration's place.
    """

    relations: Relations
    scriptlets: tuple[PackageScriptlet, ...] = ()
    triggers: tuple[FileTrigger, ...] = ()
    facts: DistroFacts
    directory: Path
    where: Position | None = None

    def read(self, source: str) -> bytes:
        """The content of a file of the distribution."""
        return read_regular(self.directory / source, LARGEST_SOURCE)

    def completed(self, package: RpmPackage) -> RpmPackage:
        """A package with what is ordered: relations beside its own, scriptlets, facts."""
        relations = self.relations
        return replace(
            package,
            vendor=self.facts.vendor,
            distribution=self.facts.title,
            build_time=self.facts.epoch,
            requires=(*relations.requires, *package.requires),
            provides=(*relations.provides, *package.provides),
            conflicts=relations.conflicts,
            obsoletes=relations.obsoletes,
            recommends=relations.recommends,
            suggests=relations.suggests,
            supplements=relations.supplements,
            enhances=relations.enhances,
            scriptlets=self.scriptlets,
            triggers=self.triggers,
        )


Ordered = TypeVar("Ordered", bound=Order)


def make(order: Ordered, build: Callable[[Ordered], RpmPackage], out: Path) -> tuple[Problem, ...]:
    """Write an ordered package under its final name, when it is whole; gives what is wrong instead
    of raising it.
    """
    part = part_of(out)
    try:
        package = build(order)
    except DockyardError as error:
        return error.problems
    try:
        with part.open("wb") as file:
            write_package(package, file)
        part.rename(out)
    except ValueError as error:
        return (Problem("distro.not-packable", f"{package.name}: {error}", order.where),)
    finally:
        part.unlink(missing_ok=True)
    return ()
