"""What the makers of packages, of imported and of declared files, have in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from dockyard.distro.arguments import Order
from dockyard.distro.relations import Relations
from dockyard.distro.sources import digest_of, read_source
from dockyard.errors import DockyardError, Problem
from dockyard.packages.rpm.contents import RpmPackage
from dockyard.packages.rpm.writer import write_package


def reader_of(order: Order) -> Callable[[str], bytes]:
    """Gives the content of a file of the distribution, which must be what it was when the package
    was ordered; it raises OSError, and DockyardError (`distro.file-changed`).
    """

    def read(source: str) -> bytes:
        data = read_source(order.directory, source)
        if digest_of(data) != order.sources.get(source):
            raise DockyardError(
                Problem(
                    "distro.file-changed",
                    f"{source} changed while the distribution was built",
                    str(order.directory / source),
                    fix="run the command again",
                )
            )
        return data

    return read


def completed(order: Order, package: RpmPackage, relations: Relations) -> RpmPackage:
    """A package with what is ordered: relations beside its own, scriptlets, facts."""
    facts = order.facts
    return replace(
        package,
        vendor=facts.vendor,
        distribution=facts.title,
        build_time=facts.epoch,
        requires=(*relations.requires, *package.requires),
        provides=(*relations.provides, *package.provides),
        conflicts=relations.conflicts,
        obsoletes=relations.obsoletes,
        recommends=relations.recommends,
        suggests=relations.suggests,
        supplements=relations.supplements,
        enhances=relations.enhances,
        scriptlets=order.scriptlets,
        triggers=order.triggers,
    )


def write(order: Order, package: RpmPackage, out: Path) -> None:
    """Write an ordered package. Raises DockyardError (`distro.not-packable`)."""
    try:
        with out.open("wb") as file:
            write_package(package, file)
    except ValueError as error:
        what = f"{package.name}: {error}"
        raise DockyardError(Problem("distro.not-packable", what, order.where)) from error
