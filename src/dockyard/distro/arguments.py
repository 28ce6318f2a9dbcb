"""What the steps of a distribution's build are called with. Nothing that does their work is loaded
for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

from dockyard.engine.codec import Beside
from dockyard.errors import Position
from dockyard.model.components import Component, Package
from dockyard.model.packages import Pin
from dockyard.packages.origins import Origins
from dockyard.packages.rpm.contents import FileTrigger, PackageScriptlet

PACKAGE = "package.rpm"
"""The unsigned package in the result of the step that made it."""


@dataclass(frozen=True, slots=True)
class Fetch:
    """What is fetched, and from where. refresh: the command that moves pins of what is gone."""

    pins: tuple[Pin, ...]
    origins: Beside[Origins]
    refresh: Beside[str]


@dataclass(frozen=True, slots=True)
class Changes:
    """What a declaration says about the relations that are imported, see model.distro.Component."""

    revision: int = 0
    drop_requires: tuple[str, ...] = ()
    drop_provides: tuple[str, ...] = ()
    drop_conflicts: tuple[str, ...] = ()
    keep_conflicts: tuple[str, ...] = ()

    @classmethod
    def of(cls, declaration: Component) -> Changes:
        return cls(*(getattr(declaration, field.name) for field in fields(cls)))


@dataclass(frozen=True, slots=True)
class ImportedPackage:
    """A package as relations need it, before it is read.

    name: of the RPM. digest: of the Debian package. upstream: its name. strict: each name of its
    changes must fit it. where: the declaration's place.
    """

    name: str
    digest: str
    changes: Changes
    component: Beside[str]
    upstream: Beside[str]
    strict: bool = True
    where: Beside[Position | None] = None


@dataclass(frozen=True, slots=True)
class AllImported:
    """What the relations of a distribution are mapped from. drop: names that no package
    requires.
    """

    packages: tuple[ImportedPackage, ...]
    drop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Selection:
    """The package whose relations are selected."""

    name: str


@dataclass(frozen=True, slots=True)
class DistroFacts:
    """What every package of a distribution carries, and what is left out of all imported ones.

    compressor: of the payloads; another one may make other bytes of the same files.
    """

    title: str
    vendor: str
    epoch: int
    drop: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    compressor: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One package to be made.

    sources: `sha256:<hex>` of the distribution's files that the declaration names. directory: where
    they are. where: the declaration's place.
    """

    scriptlets: tuple[PackageScriptlet, ...] = ()
    triggers: tuple[FileTrigger, ...] = ()
    facts: DistroFacts
    sources: Mapping[str, str] = field(default_factory=dict)
    directory: Beside[Path]
    where: Beside[Position | None] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion(Order):
    """One package to be converted.

    name: of the RPM. digest: of the upstream file. upstream: the upstream package, for people.
    strict: each path of the declaration must fit this package.
    """

    name: str
    digest: str
    upstream: Beside[str]
    declaration: Component
    strict: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnPackage(Order):
    """One package of the distribution's own."""

    package: Package


@dataclass(frozen=True, slots=True)
class Checking:
    """What is checked. made: the steps that made packages. places: of declarations, by the names of
    the packages. beside: the results that have the repositories of other distributions, whose
    packages may be installed together with these, by the distributions' names; directories: where
    those are.
    """

    made: tuple[str, ...]
    places: Beside[Mapping[str, Position]]
    beside: Mapping[str, str] = field(default_factory=dict)
    directories: Beside[tuple[Path, ...]] = ()


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signs: the key itself is read where it is needed, and goes nowhere else.

    fingerprint: upper-case hex; empty for a key that is still to be made. keys: where it is kept.
    """

    distro: str
    fingerprint: str
    keys: Beside[Path]


@dataclass(frozen=True, slots=True)
class Signing:
    """What is signed by whom. made: the step that made the package."""

    made: str
    signer: Signer


@dataclass(frozen=True, slots=True)
class Repository:
    """What a repository is made of. packages: names of the steps that signed a package -> those of
    the steps that made it. epoch: seconds; the time of everything in it.
    """

    name: str
    epoch: int
    signer: Signer
    packages: Mapping[str, str]
