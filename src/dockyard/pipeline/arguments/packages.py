"""What the steps are called with that fetch packages, unpack them, and sum them up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dockyard.engine.codec import Beside
from dockyard.model.architecture import Architecture
from dockyard.model.family import Packaging
from dockyard.model.packages import Lock, LockedRepository, Pin, Repository, RpmRepository


@dataclass(frozen=True, slots=True)
class FetchPackages:
    """packages: digests by what they are, the packages' names, versions and architectures. signed:
    the repositories whose packages must be signed: their keys are noted. The rest says where
    packages come from.
    """

    packages: Mapping[str, str]
    lock: Beside[Lock]
    lock_file: Beside[str]
    repositories: Beside[tuple[Repository, ...]]
    offline: Beside[tuple[Path, ...]]
    signed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Unpack:
    """One package, to be unpacked. digest: of the file, or of its content without signatures.
    checked: whether it must be signed, keys: by which of these (fingerprints), by any key of its
    repository where there are none. The rest says where it comes from.
    """

    digest: str
    checked: bool
    keys: tuple[str, ...]
    pin: Beside[Pin]
    rule: Beside[LockedRepository]
    repository: Beside[RpmRepository]
    lock_file: Beside[str]
    offline: Beside[tuple[Path, ...]]


@dataclass(frozen=True, slots=True)
class ChangePackages:
    """What changes among the packages of a tree that exists. packages: digests of those that come,
    by their names, versions and architectures. signed: those whose signatures go into the database,
    as their file is pinned. removed: those that go. place, backend: of the database. documents:
    also what packages mark as documentation. The rest says where packages come from.
    """

    packages: Mapping[str, str]
    signed: tuple[str, ...]
    removed: tuple[str, ...]
    place: str
    backend: str
    documents: bool
    packaging: Packaging
    epoch: int
    below: Beside[tuple[str, ...]]
    lock: Beside[Lock]
    lock_file: Beside[str]
    repositories: Beside[tuple[RpmRepository, ...]]
    offline: Beside[tuple[Path, ...]]


@dataclass(frozen=True, slots=True)
class ChangeDebs:
    """What changes among the Debian packages of a tree that exists. packages: digests of those that
    come, by their names, versions and architectures. removed: those that go, likewise. The rest
    says where packages come from.
    """

    packages: Mapping[str, str]
    removed: tuple[str, ...]
    packaging: Packaging
    epoch: int
    below: Beside[tuple[str, ...]]
    lock: Beside[Lock]
    lock_file: Beside[str]
    repositories: Beside[tuple[Repository, ...]]
    offline: Beside[tuple[Path, ...]]


@dataclass(frozen=True, slots=True)
class RemoveManager:
    """The package manager, to be taken out of a tree. place, backend: of the database. protected,
    kernels: names of packages that must stay, and of which one must.
    """

    place: str
    backend: str
    packaging: Packaging
    architecture: Architecture
    protected: tuple[str, ...]
    kernels: tuple[str, ...]
    epoch: int
    below: Beside[tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class MakeDatabase:
    """packages: the names of the steps that unpack them."""

    packages: Beside[tuple[str, ...]]
    documents: bool
    epoch: int


@dataclass(frozen=True, slots=True)
class SelectIndex:
    """index: which one (see `install.indices`). packages: the names of the steps that unpack
    them.
    """

    index: str
    packages: Beside[tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class MakeIndex:
    """An index of what was selected. packages: the names of the steps that unpack them."""

    selection: Beside[str]
    packages: Beside[tuple[str, ...]]
    epoch: int
