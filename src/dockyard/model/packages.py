"""What a lock says: pins, the request that they answer, and the repositories that they came from.

A pin names one package so exactly that its bytes can be checked wherever they are found: by the
digest of the whole file, or, for repositories whose files differ between signers, by the digest
of its content (RPM header and payload without the signature header). A lock holds no host name
and no time: repositories appear by id and by the rules that guard them, never by address.

Frozen data, no I/O. `packages.lockfile` writes and reads the text form.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from dockyard.errors import Position
from dockyard.model.architecture import Architecture

LOCK_VERSION = 2
DEFAULT_PRIORITY = 99
_NUMBER = "[0-9]{1,19}"
DEFAULT_COST = 1000


class PackageKind(StrEnum):
    """The package format that a pin names."""

    RPM = "rpm"
    DEB = "deb"


class PinBy(StrEnum):
    """What a repository's pins hold fast.

    digest: sha256 of the package file, as the repository's metadata says it.
    content: sha256 of the RPM's header and payload; for repositories that are built and signed
    locally, where the same content carries another signature on every machine.
    """

    DIGEST = "digest"
    CONTENT = "content"


@dataclass(frozen=True, slots=True, order=True)
class Pin:
    """One package of a lock.

    evr: `[epoch:]version-release` for RPM (epoch 0 left out), the whole version for Debian.
    size: bytes of the file; 0 when only the content is pinned, as signatures differ in length.
    digest: `sha256:<hex>` of the file, or "" when `content` is what holds.
    path: relative to the repository's base; never starts with `/`, never contains `..`.
    unpacked: bytes of its files, as metadata says it; 0 where nobody asks for it.
    """

    name: str
    evr: str
    arch: str
    repository: str
    path: str
    kind: PackageKind = PackageKind.RPM
    size: int = 0
    digest: str = ""
    content: str | None = None
    unpacked: int = field(default=0, compare=False)

    @property
    def nevra(self) -> str:
        """`name-[epoch:]version-release.arch` (RPM) or `name_version_arch` (Debian)."""
        if self.kind is PackageKind.DEB:
            return f"{self.name}_{self.evr}_{self.arch}"
        return f"{self.name}-{self.evr}.{self.arch}"

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What makes a pin this package and no other: name, version, architecture, repository."""
        return (self.name, self.evr, self.arch, self.repository)


@dataclass(frozen=True, slots=True, order=True)
class LockedRepository:
    """How a repository's packages were chosen and verified when the lock was made.

    keys: fingerprints (upper-case hex) of the OpenPGP keys that its signatures must come from.
    revision: of the metadata that the packages were chosen from, as the metadata says it; a number
    never goes back without a person's saying so.
    """

    id: str
    kind: PackageKind = PackageKind.RPM
    pin: PinBy = PinBy.DIGEST
    check_packages: bool = True
    check_metadata: bool = False
    keys: tuple[str, ...] = ()
    priority: int = DEFAULT_PRIORITY
    exclude: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    revision: str = ""

    @property
    def revision_number(self) -> int | None:
        """The revision, where it is a number of 64 bits or less."""
        return int(self.revision) if re.fullmatch(_NUMBER, self.revision) else None


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked of the solver. Two equal requests over equal repositories need one lock.

    install: names, globs, NEVRAs, provides or absolute paths, sorted, each once.
    base: what comes beside them, see `model.debian_archive.PRIORITIES`; "" for nothing.
    remove, update: likewise, of what is installed. update_all: update whatever is installed.
    modules: streams (`module:stream`) that are enabled, sorted. streams: those that are enabled
    already, where there are any, and as far as repositories have them.
    before: Unix seconds; what repositories got later is not seen. None: all is.
    protected: names of packages that must stay. kernels: of those with a kernel, one of which must.
    wanted_by, unwanted_by: where each item to install or update, or to remove, was named, so that
    errors can point there; not compared.
    """

    install: tuple[str, ...]
    exclude: tuple[str, ...] = ()
    architecture: Architecture = Architecture.X86_64
    weak: bool = False
    remove: tuple[str, ...] = ()
    update: tuple[str, ...] = ()
    update_all: bool = False
    before: int | None = None
    base: str = ""
    modules: tuple[str, ...] = ()
    streams: tuple[str, ...] = field(default=(), compare=False)
    protected: tuple[str, ...] = field(default=(), compare=False)
    kernels: tuple[str, ...] = field(default=(), compare=False)
    wanted_by: dict[str, Position] = field(default_factory=dict, compare=False, hash=False)
    unwanted_by: dict[str, Position] = field(default_factory=dict, compare=False, hash=False)

    @property
    def asks_repositories(self) -> bool:
        """Whether packages are to come, not only to go."""
        return bool(self.install or self.update or self.update_all)


@dataclass(frozen=True, slots=True)
class Lock:
    """Every package of one image, and of the tools that make it.

    subject: the name of the image, distro or set of tools that is locked.
    request: None for a lock that carries tools alone.
    tools: the pins of the tools tree that the lock was made with.
    answers: (item of the request, name of the package that answers it), for items that are not
    simply a package's name, sorted.
    installed: for a lock that changes an image: the digest of what is installed in it. removed: the
    packages (NEVRAs) of it that go, by being updated or replaced, too. newest: Unix seconds, when
    the newest of the packages that come was built.
    """

    subject: str
    request: Request | None = None
    repositories: tuple[LockedRepository, ...] = ()
    packages: tuple[Pin, ...] = ()
    tools: tuple[Pin, ...] = ()
    answers: tuple[tuple[str, str], ...] = ()
    installed: str = ""
    removed: tuple[str, ...] = ()
    newest: int = 0

    @property
    def kind(self) -> PackageKind:
        """The format of its packages, which are all of one."""
        kinds = [each.kind for each in self.packages] + [each.kind for each in self.repositories]
        return kinds[0] if kinds else PackageKind.RPM

    @property
    def newest_revision(self) -> int | None:
        """The latest of the repositories' revisions that are times (Unix seconds); None if none
        is.
        """
        numbers = (each.revision_number or 0 for each in self.repositories)
        return max((number for number in numbers if _is_time(number)), default=None)


def _is_time(revision: int) -> bool:
    """Whether a revision can be a time: from 1990 on, in ten digits at most."""
    return 631152000 <= revision < 10**10


@dataclass(frozen=True, slots=True)
class RpmRepository:
    """A source of RPM packages, with everything that shapes what is taken from it.

    base_urls: mirrors in order: `http(s)://…/`, `file:///…/`. A directory of RPMs without
    metadata is a `file://` base too; it is recognized when it is read.
    mirror_list / metalink: addresses that give more mirrors when the repository is used.
    keys: where the OpenPGP keys are: absolute paths, `file://` or `http(s)://` addresses.
    signed_by: fingerprints (upper-case hex) of the keys that count, all of which must be there; any
    does where there are none.
    check_packages / check_metadata: `gpgcheck` and `repo_gpgcheck` of a .repo file.
    module_hotfixes: no stream of a module hides its packages.
    exclude / include: globs over names or NEVRAs; an empty `include` takes everything.
    position: where it was declared, for errors.
    """

    id: str
    base_urls: tuple[str, ...] = ()
    mirror_list: str | None = None
    metalink: str | None = None
    keys: tuple[str, ...] = ()
    signed_by: tuple[str, ...] = ()
    check_packages: bool = True
    check_metadata: bool = False
    priority: int = DEFAULT_PRIORITY
    cost: int = DEFAULT_COST
    exclude: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    pin: PinBy = PinBy.DIGEST
    module_hotfixes: bool = False
    title: str = ""
    position: Position | None = field(default=None, compare=False)

    @property
    def is_here(self) -> bool:
        """Whether all of it is on this machine: no server is asked."""
        elsewhere = self.mirror_list or self.metalink
        addresses = (*self.base_urls, *self.keys)
        return not elsewhere and all(at.startswith(("file:", "/")) for at in addresses)


@dataclass(frozen=True, slots=True)
class DebRepository:
    """One component of a suite of a Debian archive, and who signs for it.

    base_urls: addresses of the archive, in order; none where nobody named one. keys: files of
    OpenPGP certificates, beside those of Debian that come with Dockyard. signed_by: fingerprints
    (upper-case hex) of those that may sign. archive: the name by which hosts know the archive.
    position: where it was declared, for errors.
    """

    id: str
    suite: str
    component: str
    architecture: Architecture = Architecture.X86_64
    base_urls: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    signed_by: tuple[str, ...] = ()
    archive: str = "debian"
    position: Position | None = field(default=None, compare=False)

    @property
    def is_here(self) -> bool:
        """Whether all of it is on this machine: no server is asked."""
        return bool(self.base_urls) and all(at.startswith("file:") for at in self.base_urls)


Repository: TypeAlias = RpmRepository | DebRepository
"""A source of packages, of either format."""


def recorded(
    repository: Repository, fingerprints: tuple[str, ...] = (), revision: str = ""
) -> LockedRepository:
    """How a lock records a repository whose keys have these fingerprints, and its metadata this
    revision.

    A repository that pins content is signed by whoever builds it, with a key of their own, so its
    keys are not recorded. In a Debian archive it is the metadata that is signed, not the packages.
    """
    if isinstance(repository, DebRepository):
        return LockedRepository(
            id=repository.id,
            kind=PackageKind.DEB,
            check_packages=False,
            check_metadata=True,
            keys=tuple(sorted(fingerprints)),
            revision=revision,
        )
    return LockedRepository(
        id=repository.id,
        pin=repository.pin,
        check_packages=repository.check_packages,
        check_metadata=repository.check_metadata,
        keys=() if repository.pin is PinBy.CONTENT else tuple(sorted(fingerprints)),
        priority=repository.priority,
        exclude=tuple(sorted(set(repository.exclude))),
        include=tuple(sorted(set(repository.include))),
        revision=revision,
    )
