"""What a distribution's definition takes from where, told without asking the network.

Where repositories are as this host resolves them, the keys that must sign them and whether these
are here, and what its family says of the systems that are made of it. Every mistake is found at
once: those of its files, of the addresses of its repositories, and of their keys.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from dockyard.distro.header import DistroHeader, read_header
from dockyard.distro.load import load_distro
from dockyard.errors import DockyardError, Position, Problem, Problems
from dockyard.host.network import file_path, url_text
from dockyard.model.architecture import Architecture
from dockyard.model.debian_archive import DEBIAN_ARCHIVE
from dockyard.model.distro import Distro
from dockyard.model.packages import DebRepository, RpmRepository
from dockyard.packages.access import Access
from dockyard.packages.deb.archive import archive_certificates
from dockyard.packages.deb.image_lock import certificates_of
from dockyard.packages.deb.suite import Suite
from dockyard.packages.origins import Origins
from dockyard.packages.rpm import keys
from dockyard.packages.system import system_of

WITH_DOCKYARD = "with Dockyard"
"""In place of a file of keys: those that come with Dockyard."""


class Given(StrEnum):
    """Who says where a repository is: the definition; an option or the environment; the host's apt;
    nobody.
    """

    DEFINITION = "definition"
    OPTION = "option"
    HOST = "host"
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class Source:
    """A repository. archive: the name that the definition gives in place of addresses, else "".
    addresses: of its mirrors, or of lists of mirrors, as they may be printed. keys: fingerprints
    (upper-case hex) of those that may sign it, as far as the definition or files that are here say.
    key_files: where they are. elsewhere: those of the key files that are asked for over the network
    when the repository is first used. checks: what is verified, of `metadata` and `packages`.
    """

    id: str
    given: Given
    archive: str = ""
    addresses: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    key_files: tuple[str, ...] = ()
    elsewhere: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class Described:
    """A definition, and its repositories in its order. parts: how many components and packages of
    its own it is made of.
    """

    file: Path
    distro: Distro
    sources: tuple[Source, ...]
    parts: int = 0


def describe(
    path: Path, store: Path, origins: Origins, architecture: Architecture | None = None
) -> Described:
    """Read a definition, as it is for an architecture (None: its first), and resolve what it names.
    Raises DockyardError with every mistake.
    """
    header = read_header(path, architecture)
    distro = header.distro
    if not distro.repositories and not distro.archive:
        loaded = load_distro(path, architecture)
        parts = len(loaded.components) + len(loaded.packages)
        return Described(header.file, distro, tuple(_of_upstream(distro, origins)), parts)
    problems = Problems()
    sources: list[Source] = []
    try:
        found = system_of(distro.kind).repositories(distro, header.directory, store, origins)
    except DockyardError as error:
        problems.extend(error.problems)
        found = ()
    access = Access.of_store(store)
    wrong: dict[Problem, None] = {}  # repositories of one archive have the same keys
    for each in found:
        try:
            if isinstance(each, DebRepository):
                sources.append(_of_archive(each, distro, origins))
            else:
                sources.append(_of_rpm(each, access, header))
        except DockyardError as error:
            wrong |= dict.fromkeys(error.problems)
    problems.extend(wrong)
    problems.raise_any()
    sources += [
        Source(each.id, Given.DEFINITION, enabled=False)
        for each in distro.repositories
        if not each.enabled
    ]
    return Described(header.file, distro, tuple(sources))


def _given(archive: str, origins: Origins) -> Given:
    if archive in origins.given:
        return Given.OPTION
    return Given.HOST if origins.archive(archive) else Given.NOBODY


def _of_upstream(distro: Distro, origins: Origins) -> Iterator[Source]:
    """The suites that components are imported from: what comes with Dockyard may sign them."""
    for suite in distro.upstream.debian.suites if distro.upstream else ():
        for component in suite.components:
            yield Source(
                Suite(suite.name, component, distro.architecture).id,
                _given(DEBIAN_ARCHIVE, origins),
                DEBIAN_ARCHIVE,
                tuple(map(url_text, origins.archive(DEBIAN_ARCHIVE))),
                keys.fingerprints(archive_certificates()),
                (WITH_DOCKYARD,),
                checks=("metadata",),
            )


def _of_archive(repository: DebRepository, distro: Distro, origins: Origins) -> Source:
    """Raises DockyardError for keys that no file has."""
    assert distro.archive
    known = {cert.fingerprint.upper() for cert in archive_certificates()}
    own = {each.fingerprint.upper() for each in certificates_of(repository)}
    named = any(suite.name == repository.suite and suite.baseurl for suite in distro.archive.suites)
    return Source(
        repository.id,
        Given.DEFINITION if named else _given(repository.archive, origins),
        "" if named else repository.archive,
        tuple(map(url_text, repository.base_urls)),
        tuple(sorted(own)),
        (*repository.keys, *([WITH_DOCKYARD] if known & own else [])),
        checks=("metadata",),
    )


def _of_rpm(repository: RpmRepository, access: Access, header: DistroHeader) -> Source:
    """Raises DockyardError for keys that are not there, or that no signature would be good by."""
    lists = [each for each in (repository.metalink, repository.mirror_list) if each]
    elsewhere = tuple(key for key in repository.keys if key.startswith(("http://", "https://")))
    checks = [
        name
        for name, checked in (
            ("metadata", repository.check_metadata),
            ("packages", repository.check_packages),
        )
        if checked
    ]
    if checks and not repository.keys:
        raise DockyardError(
            Problem(
                "repository.no-key",
                f"{repository.id} is to be verified, but names no key",
                repository.position or Position(str(header.file)),
                fix="name its keys with `gpgkey`",
            )
        )
    there = repository.keys and not elsewhere
    own = keys.fingerprints(keys.load(repository, access)) if there else repository.signed_by
    return Source(
        repository.id,
        Given.DEFINITION,
        "",
        tuple(map(url_text, (*repository.base_urls, *lists))),
        own,
        tuple(map(_place, repository.keys)),
        tuple(map(url_text, elsewhere)),
        tuple(checks),
    )


def _place(key: str) -> str:
    """A file of keys as it may be printed: its path, or the address of one that is not here."""
    if key.startswith("file:"):
        return str(file_path(key))
    return key if key.startswith("/") else url_text(key)
