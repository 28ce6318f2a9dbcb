"""The packages of one or more Debian suites as a libsolv pool, cached on disk.

The pool holds ranks in place of versions (see `ranked_pool`). It is written in
libsolv's own format, named by the digests of the indexes that it was made from: making it takes
seconds, loading it a fraction of one. The versions behind the ranks are beside it and are read
only to word a problem.
"""

from __future__ import annotations

import gc
import hashlib
import json
import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import solv

from dockyard.errors import DockyardError, Problem
from dockyard.host.storage import storage_problem
from dockyard.packages import compression
from dockyard.packages.blobs import Blobs
from dockyard.packages.deb.archive import PackagesFile
from dockyard.packages.deb.installed import InstalledDebs
from dockyard.packages.deb.ranked_pool import ESSENTIAL, Keys, build_pool
from dockyard.packages.deb.version import key
from dockyard.packages.solv_file import keep, read_kept

_FORMAT = "3"

_FIELD = re.compile(
    r"^(Package|Version|Architecture|Essential|Priority|Pre-Depends|Depends|Provides|Conflicts"
    r"|Breaks|Filename|Size|Installed-Size|SHA256): (.*)$",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A package that an archive offers. path: below the archive's base. priority: an index of
    ranked_pool.PRIORITIES. number: its solvable in the pool.
    """

    name: str
    version: str
    architecture: str
    repository: str
    path: str
    size: int
    digest: str
    essential: bool
    priority: int
    number: int


class Index:
    """A pool of candidates, ready to be solved over."""

    def __init__(self, pool: solv.Pool, versions_file: Path) -> None:
        self.pool = pool
        self._versions_file = versions_file
        self._versions: dict[str, list[str]] | None = None
        self._keys = Keys(pool)
        pool.createwhatprovides()

    def candidate(self, solvable: solv.XSolvable) -> Candidate:
        keys = self._keys
        return Candidate(
            name=solvable.name,
            version=solvable.lookup_str(keys.version),
            architecture=solvable.arch,
            repository=solvable.lookup_str(keys.repository),
            path=solvable.lookup_str(keys.path),
            size=solvable.lookup_num(solv.SOLVABLE_DOWNLOADSIZE),
            digest=f"sha256:{solvable.lookup_checksum(solv.SOLVABLE_CHECKSUM).hex()}",
            essential=bool(solvable.lookup_num(keys.essential)),
            priority=solvable.lookup_num(keys.priority),
            number=solvable.id,
        )

    def named(self, name: str) -> list[Candidate]:
        """The candidates of a name, the highest version first, then in the suites' order."""
        found = [
            self.candidate(solvable)
            for solvable in self.pool.whatprovides(self.pool.Dep(name))
            if solvable.name == name
        ]
        return sorted(found, key=lambda item: (key(item.version), -item.number), reverse=True)

    def essential(self) -> list[str]:
        """The names of the essential packages, sorted."""
        found = self.pool.whatprovides(self.pool.Dep(ESSENTIAL))
        return sorted({solvable.name for solvable in found})

    def base(self, level: int) -> list[str]:
        """The names of the essential packages, and of those of the first `level` priorities."""
        found = self.essential()
        for solvable in self.pool.solvables if level else ():
            if solvable.lookup_num(self._keys.priority) < level:
                found.append(solvable.name)
        return sorted(set(found))

    def version_of(self, name: str, rank: str) -> str:
        """The version that a rank stands for, to word a message."""
        if self._versions is None:
            try:
                self._versions = json.loads(self._versions_file.read_bytes())
            except (OSError, ValueError):
                self._versions = {}
        known = self._versions.get(name, [])
        number = int(rank) if rank.isdigit() else 0
        return known[number - 1] if 0 < number <= len(known) else "?"


def open_index(
    files: Sequence[PackagesFile],
    blobs: Blobs,
    cache: Path,
    installed: InstalledDebs | None = None,
) -> Index:
    """The index of fetched Packages files, from the cache directory or made and kept there.

    The order of the files is the order of preference between equal versions. installed: what is
    installed in the system that is to change.
    """
    parts = [_FORMAT, *(f"{file.suite.id} {file.digest}" for file in files)]
    parts += [f"installed {installed.identity}"] if installed else []
    name = hashlib.sha256("\n".join(parts).encode()).hexdigest()
    pool_file, versions_file = cache / f"{name}.solv", cache / f"{name}.versions"
    pool = _read(pool_file, installed is not None)
    if pool is None:
        # None yet, one of another libsolv, or a damaged one.
        _make(files, blobs, pool_file, versions_file, installed)
        pool = _read(pool_file, installed is not None)
        assert pool is not None
    return Index(pool, versions_file)


def _read(pool_file: Path, changing: bool) -> solv.Pool | None:
    """The pool that was kept; None where none is whole."""
    pool = solv.Pool()
    if not read_kept(pool.add_repo("debian"), pool_file):
        return None
    if changing:
        here = pool.add_repo("installed")
        if not read_kept(here, _installed_file(pool_file)):
            return None
        pool.installed = here
    return pool


def _installed_file(pool_file: Path) -> Path:
    return pool_file.with_suffix(".installed.solv")


def _make(
    files: Sequence[PackagesFile],
    blobs: Blobs,
    pool_file: Path,
    versions_file: Path,
    installed: InstalledDebs | None,
) -> None:
    # Millions of small objects, none in a cycle: looking for cycles would cost a third of it all.
    collecting = gc.isenabled()
    gc.disable()
    try:
        paragraphs = [
            (file.suite.id, fields) for file in files for fields in _read_packages(file, blobs)
        ]
        paragraphs += [("", fields) for fields in installed.paragraphs()] if installed else []
        pool, versions = build_pool(paragraphs)
    except (ValueError, OverflowError, TypeError) as error:
        if not files:
            raise
        raise _bad_index(files[0], blobs, f"a field is damaged: {str(error)[:80]}") from error
    finally:
        if collecting:
            gc.enable()
    try:
        _write(pool, versions, pool_file, versions_file)
    except OSError as error:
        raise DockyardError(storage_problem(error, pool_file.parent)) from error


def _write(
    pool: solv.Pool, versions: dict[str, list[str]], pool_file: Path, versions_file: Path
) -> None:
    pool_file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=pool_file.parent, delete=False) as out:
        out.write(json.dumps(versions, separators=(",", ":")).encode())
    Path(out.name).rename(versions_file)
    available, installed = pool.repos
    if installed.nsolvables:
        keep(installed, _installed_file(pool_file))
    keep(available, pool_file)


def _bad_index(file: PackagesFile, blobs: Blobs, why: str) -> DockyardError:
    return DockyardError(
        Problem(
            code="debian.bad-index",
            what=f"the package index of {file.suite.id} cannot be read",
            where=str(blobs.path(file.digest)),
            why=why,
            fix="use another mirror",
        )
    )


def _read_packages(file: PackagesFile, blobs: Blobs) -> Iterator[dict[str, str]]:
    try:
        path = blobs.whole(file.digest, f"the package index of {file.suite.id}")
        data = compression.read_whole(path, file.suffix, file.plain_size)
    except compression.ERRORS as error:
        raise _bad_index(file, blobs, str(error)) from error
    text = data.decode(errors="replace")
    if "\0" in text:
        raise _bad_index(file, blobs, "it has bytes of zero, which no text has")
    return (dict(_FIELD.findall(block)) for block in text.split("\n\n") if block)
