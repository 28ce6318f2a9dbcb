"""What the makers of packages, of imported and of declared files, have in common."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from dockyard.errors import Position, Problem
from dockyard.packages.rpm.contents import RpmPackage
from dockyard.packages.rpm.writer import write_package


@dataclass(frozen=True, slots=True)
class DistroFacts:
    """What every package of a distribution carries, and what is left out of all imported ones."""

    title: str
    vendor: str
    epoch: int
    drop: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()


def write_whole(package: RpmPackage, out: Path, where: Position | None) -> tuple[Problem, ...]:
    """Write a package under its final name only when it is whole; gives what is wrong."""
    part = out.with_name(f".{out.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            write_package(package, file)
        part.rename(out)
    except ValueError as error:
        return (Problem("distro.not-packable", f"{package.name}: {error}", where),)
    finally:
        part.unlink(missing_ok=True)
    return ()
