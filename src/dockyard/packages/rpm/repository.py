"""Opens an RPM repository: from its address to metadata whose every byte is accounted for.

repomd.xml comes from the first mirror that gives a good one: one that matches the metalink's
digests, if there is a metalink, and that carries a signature by the repository's keys, if the
repository is so configured. The index files below it are held by its digests and are kept among
the blobs, so that an unchanged repository costs one small request. A directory of RPMs without
metadata is read by its packages' own headers (`directory`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pysequoia

from dockyard.errors import DockyardError, Problem, Problems
from dockyard.host.files import write_atomic
from dockyard.host.network import Network, TransferFailed, file_path, url_text
from dockyard.model.packages import LockedRepository, RpmRepository, recorded
from dockyard.packages import compression
from dockyard.packages.access import Access
from dockyard.packages.fetch import Wanted, fetch
from dockyard.packages.rpm import comps, keys, mirrors, modules, repomd
from dockyard.packages.rpm.comps import Comps
from dockyard.packages.rpm.directory import read_directory
from dockyard.packages.rpm.mirrors import REPOMD, MalformedMirrors, Mirrors
from dockyard.packages.rpm.modules import NONE, Modules
from dockyard.packages.rpm.repomd import MalformedRepomd, Record

__all__ = ["Access", "Metadata", "find_mirrors", "open_all", "open_repository"]

_REPOMD_LIMIT = 16 << 20
_INDEX_LIMIT = 1 << 28
_MIRRORS_LIMIT = 4 << 20
# A metalink may name hundreds; a file that ten do not have is gone.
_MOST_MIRRORS = 10


@dataclass(frozen=True, slots=True)
class Metadata:
    """An opened repository.

    bases: addresses of mirrors, the one that gave the metadata first. identity: names what was
    read; equal identities mean equal packages. primary: gives the bytes of primary.xml, plain.
    filelists: likewise, or None when primary names every file. modules: gives what it says of
    streams of modules, groups: of groups of packages. keys: loaded if anything is to be verified
    with them. revision: as repomd.xml says it.
    """

    repository: RpmRepository
    bases: tuple[str, ...]
    identity: str
    primary: Callable[[], bytes] = field(compare=False)
    filelists: Callable[[], bytes] | None = field(default=None, compare=False)
    modules: Callable[[], Modules] = field(default=lambda: NONE, compare=False)
    groups: Callable[[], Comps] = field(default=lambda: comps.NONE, compare=False)
    keys: tuple[pysequoia.Cert, ...] = field(default=(), compare=False)
    revision: str = ""

    def locked(self) -> LockedRepository:
        """How a lock records this repository."""
        return recorded(self.repository, keys.fingerprints(self.keys), self.revision)


def open_all(repositories: Sequence[RpmRepository], access: Access) -> list[Metadata]:
    """Open repositories; the problems of all are reported together."""
    problems = Problems()
    opened = []
    for repository in repositories:
        try:
            opened.append(open_repository(repository, access))
        except DockyardError as error:
            problems.extend(error.problems)
    if not repositories:
        what = "there is no repository to take packages from"
        problems.add("repository.none", what, fix="name one with --rpm-source")
    problems.raise_any()
    return opened


def open_repository(repository: RpmRepository, access: Access) -> Metadata:
    """Open one repository. Raises DockyardError (`repository.…`, `fetch.…`)."""
    verified = repository.check_packages or repository.check_metadata
    certificates = keys.load(repository, access) if verified else ()
    found = find_mirrors(repository, access.network)
    plain = next((path for path in map(_plain_directory, found.bases) if path), None)
    if plain:
        identity, primary = read_directory(plain, access.cache)
        return Metadata(repository, found.bases, identity, lambda: primary, keys=certificates)
    base, index = _repomd(repository, found, certificates, access)
    bases = (base, *(other for other in found.bases if other != base))
    filelists = index.records.get("filelists")
    modular, grouped = index.records.get("modules"), index.groups
    return Metadata(
        repository,
        bases,
        f"{index.primary.algorithm}:{index.primary.hexdigest}",
        lambda: _index_file(repository, index.primary, bases, access),
        (lambda: _index_file(repository, filelists, bases, access)) if filelists else None,
        (lambda: _modules(repository, modular, bases, access)) if modular else lambda: NONE,
        (lambda: _groups(repository, grouped, bases, access)) if grouped else lambda: comps.NONE,
        certificates,
        index.revision,
    )


def find_mirrors(repository: RpmRepository, network: Network) -> Mirrors:
    """The mirrors of a repository, in order: those that it names, then those that lists name."""
    bases = [mirrors.base(address) for address in repository.base_urls]
    digests: frozenset[tuple[str, str]] = frozenset()
    failures: list[str] = []
    for address in filter(None, (repository.metalink, repository.mirror_list)):
        is_metalink = address == repository.metalink
        try:
            data = network.read(address, _MIRRORS_LIMIT)
            if is_metalink:
                more = mirrors.parse_metalink(data)
                digests = more.digests
                if not digests:
                    raise MalformedMirrors("it has no sha256 or sha512 digest of repomd.xml")
            else:
                more = mirrors.parse_mirror_list(data.decode("utf-8", "replace"))
            bases += more.bases
        except (TransferFailed, MalformedMirrors) as error:
            why = error.why if isinstance(error, TransferFailed) else str(error)
            kind = "metalink" if is_metalink else "mirror list"
            failures.append(f"the {kind} {url_text(address)}: {why}")
    # A mirror list only adds mirrors; a metalink says what they must have, so it is not optional.
    if not bases or (repository.metalink and not digests):
        raise _unreachable(repository, failures)
    return Mirrors(tuple(dict.fromkeys(bases))[:_MOST_MIRRORS], digests)


def _plain_directory(base: str) -> Path | None:
    """The directory of RPMs that an address names, if it is one without metadata."""
    if not base.startswith("file://"):
        return None
    path = file_path(base)
    return path if path.is_dir() and not (path / REPOMD).is_file() else None


def _repomd(
    repository: RpmRepository,
    found: Mirrors,
    certificates: Sequence[pysequoia.Cert],
    access: Access,
) -> tuple[str, repomd.Repomd]:
    """The first good repomd.xml of the mirrors, and the address of the mirror that had it."""
    failures: list[str] = []
    suspicious = False
    for base in found.bases:
        try:
            data = access.network.read(base + REPOMD, _REPOMD_LIMIT)
            _check_metalink(data, found)
            if repository.check_metadata:
                signature = _signature(base, access.network)
                keys.verify_detached(data, signature, certificates)
            return base, repomd.parse(data)
        except TransferFailed as error:
            failures.append(f"{url_text(base)}{REPOMD}: {error.why}")
        except keys.BadSignature as error:
            suspicious = True
            failures.append(f"{url_text(base)}{REPOMD}: its signature is not good: {error}")
        except (MalformedRepomd, _Behind) as error:
            failures.append(f"{url_text(base)}{REPOMD}: {error}")
    if suspicious:
        what = f"the metadata of repository {repository.id} is not signed by its keys"
        fix = "do not use these mirrors before you know why; check gpgkey against the owner's page"
        code, where = "repository.bad-signature", repository.position
        raise DockyardError(Problem(code, what, where, fix=fix, excerpt=tuple(failures)))
    raise _unreachable(repository, failures)


def _signature(base: str, network: Network) -> bytes:
    try:
        return network.read(f"{base}{REPOMD}.asc", _REPOMD_LIMIT)
    except TransferFailed as error:
        if not error.gone:
            raise
        raise keys.BadSignature("there is none") from None


class _Behind(ValueError):
    """A mirror has another repomd.xml than the metalink promises."""


def _check_metalink(data: bytes, found: Mirrors) -> None:
    if found.digests and not any(
        hashlib.new(algorithm, data).hexdigest() == digest for algorithm, digest in found.digests
    ):
        raise _Behind("it is not the file that the metalink describes; the mirror may be behind")


def _index_file(
    repository: RpmRepository, record: Record, bases: Sequence[str], access: Access
) -> bytes:
    """The plain bytes of an index file, fetched unless it is there, verified, decompressed."""
    label = f"{record.kind} metadata of {repository.id}"
    if record.algorithm == "sha256":
        digest = f"sha256:{record.hexdigest}"
        urls = tuple(mirrors.join(base, record.href) for base in bases)
        wanted = Wanted(digest, record.size, urls, label, repository.position)
        fetch(
            [wanted],
            access.blobs,
            progress=access.progress,
            offline=access.offline,
            network=access.network,
        )
        path = access.blobs.whole(digest, label)
    else:
        path = _other_digest(repository, record, bases, access)
    if record.suffix not in compression.SUFFIXES:
        raise _damaged(repository, record, f"its compression {record.suffix} is not known")
    try:
        return compression.read_whole(path, record.suffix, record.plain_size)
    except compression.ERRORS as error:
        raise _damaged(repository, record, str(error)) from None


def _modules(
    repository: RpmRepository, record: Record, bases: Sequence[str], access: Access
) -> Modules:
    """What modules.yaml says; kept in the cache, as reading YAML takes seconds."""
    kept = access.cache / "modules" / f"{record.algorithm}-{record.hexdigest}.json"
    if (known := modules.load(kept)) is not None:
        return known
    try:
        found = modules.parse(_index_file(repository, record, bases, access))
    except modules.MalformedModules as error:
        raise _damaged(repository, record, str(error)) from None
    kept.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(kept, modules.dump(found))
    return found


def _groups(
    repository: RpmRepository, record: Record, bases: Sequence[str], access: Access
) -> Comps:
    """What comps.xml says."""
    try:
        return comps.parse(_index_file(repository, record, bases, access))
    except comps.MalformedComps as error:
        raise _damaged(repository, record, str(error)) from None


def _other_digest(
    repository: RpmRepository, record: Record, bases: Sequence[str], access: Access
) -> Path:
    """An index file that is known by another digest than that of the blobs: kept in the cache."""
    path = access.cache / "index" / f"{record.algorithm}-{record.hexdigest}"
    failures: list[str] = []
    if path.is_file():
        return path
    for base in bases:
        try:
            address = mirrors.join(base, record.href)
            data = access.network.read(address, record.size or _INDEX_LIMIT)
        except TransferFailed as error:
            failures.append(f"{url_text(base + record.href)}: {error.why}")
            continue
        if hashlib.new(record.algorithm, data).hexdigest() == record.hexdigest:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(path, data)
            return path
        failures.append(f"{url_text(base + record.href)}: its digest is not that of repomd.xml")
    raise _unreachable(repository, failures)


def _damaged(repository: RpmRepository, record: Record, why: str) -> DockyardError:
    what = f"the {record.kind} metadata of repository {repository.id} cannot be read"
    return DockyardError(Problem("repository.damaged", what, repository.position, why))


def _unreachable(repository: RpmRepository, failures: Sequence[str]) -> DockyardError:
    return DockyardError(
        Problem(
            "repository.unreachable",
            f"repository {repository.id} cannot be read",
            repository.position,
            why="none of its mirrors gave good metadata",
            fix="check its address and the network, or name another mirror",
            excerpt=tuple(failures),
        )
    )
