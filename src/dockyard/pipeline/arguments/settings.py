"""What the steps are called with that know of settings: those that apply them, and the
installation, which looks for what they expect of packages.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dockyard.engine.codec import Beside
from dockyard.errors import Position
from dockyard.model.architecture import Architecture
from dockyard.model.family import Packaging
from dockyard.model.packages import Lock, Repository
from dockyard.tree.every import AnySetting


@dataclass(frozen=True, slots=True)
class RequiredNames:
    """What settings expect of packages: it is looked for when all packages are here. position: of
    the packages in the image file. filesystems: kinds that the initrd mounts.
    """

    lock: Lock
    repositories: tuple[Repository, ...]
    offline: tuple[Path, ...]
    settings: tuple[AnySetting, ...]
    position: Position | None = None
    filesystems: tuple[str, ...] | None = ()


@dataclass(frozen=True, slots=True)
class InstallPackages:
    """packages: the names of the steps that unpack them, by the packages' names, versions and
    architectures. documents: also what packages mark as documentation. database, indices: names of
    steps. signed: the packages whose signatures go into the database, as their file is pinned.
    """

    packages: Beside[Mapping[str, str]]
    database: Beside[str]
    indices: Beside[tuple[str, ...]]
    signed: tuple[str, ...]
    documents: bool
    epoch: int
    packaging: Packaging
    expected: Beside[RequiredNames]


@dataclass(frozen=True, slots=True)
class InstallDebs:
    """packages: digests of .deb files by what they are, the packages' names, versions and
    architectures.
    """

    packages: Mapping[str, str]
    epoch: int
    packaging: Packaging
    architecture: Architecture
    expected: Beside[RequiredNames]


@dataclass(frozen=True, slots=True)
class ApplySettings:
    """settings: applied in order."""

    settings: tuple[AnySetting, ...]
    below: Beside[tuple[str, ...]]
    epoch: int
