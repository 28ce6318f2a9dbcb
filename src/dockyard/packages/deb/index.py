"""The packages of one or more Debian suites as a libsolv pool, cached on disk.

libsolv compares versions as rpm does. So every version that occurs for a name, in packages,
provides and relations, is sorted in dpkg's order and stands in the pool as its rank. For dpkg a
versioned relation is met by the package itself or by a versioned provide, never by a bare one: a
package `p` of rank 7 therefore provides `p = 7` and `=p = 7`, a bare provide gives `p` only, and a
versioned relation asks for `=p`.

Each solvable carries its true version, path, size, digest and repository. The pool is written in
libsolv's own format, named by the digests of the indexes that it was made from: making it takes
seconds, loading it a fraction of one. The versions behind the ranks lie beside it and are read
only to word a problem.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import solv

from dockyard.errors import DockyardError, Problem
from dockyard.packages import compression
from dockyard.packages.blobs import Blobs
from dockyard.packages.deb.archive import PackagesFile
from dockyard.packages.deb.relations import Group, Relation, group, groups
from dockyard.packages.deb.version import key

_FORMAT = "2"
PRIORITIES = ("required", "important", "standard", "optional", "extra")

_FIELD = re.compile(
    r"^(Package|Version|Architecture|Essential|Priority|Pre-Depends|Depends|Provides|Conflicts"
    r"|Breaks|Filename|Size|SHA256): (.*)$",
    re.MULTILINE,
)
_FLAGS = {
    "<<": solv.REL_LT,
    "<=": solv.REL_LT | solv.REL_EQ,
    "=": solv.REL_EQ,
    ">=": solv.REL_GT | solv.REL_EQ,
    ">>": solv.REL_GT,
}


@dataclass(frozen=True, slots=True)
class Candidate:
    """A package that an archive offers. path: below the archive's base. priority: an index of
    PRIORITIES. number: its solvable in the pool.
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
        self._keys = _Keys(pool)
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
        found = self.pool.whatprovides(self.pool.Dep(_ESSENTIAL))
        return sorted({solvable.name for solvable in found})

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


_ESSENTIAL = "dockyard(essential)"


class _Keys:
    """Our own attributes of a solvable."""

    def __init__(self, pool: solv.Pool) -> None:
        self.version = pool.str2id("dockyard:version")
        self.repository = pool.str2id("dockyard:repository")
        self.path = pool.str2id("dockyard:path")
        self.essential = pool.str2id("dockyard:essential")
        self.priority = pool.str2id("dockyard:priority")


def open_index(files: Sequence[PackagesFile], blobs: Blobs, cache: Path) -> Index:
    """The index of fetched Packages files, from the cache directory or made and kept there.

    The order of the files is the order of preference between equal versions.
    """
    parts = [_FORMAT, *(f"{file.suite.id} {file.digest}" for file in files)]
    name = hashlib.sha256("\n".join(parts).encode()).hexdigest()
    pool_file, versions_file = cache / f"{name}.solv", cache / f"{name}.versions"
    if not pool_file.is_file():
        _make(files, blobs, pool_file, versions_file)
    pool = solv.Pool()
    repository = pool.add_repo("debian")
    if not repository.add_solv(solv.xfopen(str(pool_file))):
        # A file of another libsolv: make it anew.
        _make(files, blobs, pool_file, versions_file)
        pool = solv.Pool()
        repository = pool.add_repo("debian")
        repository.add_solv(solv.xfopen(str(pool_file)))
    return Index(pool, versions_file)


def _make(
    files: Sequence[PackagesFile], blobs: Blobs, pool_file: Path, versions_file: Path
) -> None:
    paragraphs = [
        (file.suite.id, fields) for file in files for fields in _read_packages(file, blobs)
    ]
    pool, versions = build_pool(paragraphs)
    pool_file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=pool_file.parent, delete=False) as out:
        out.write(json.dumps(versions, separators=(",", ":")).encode())
    Path(out.name).rename(versions_file)
    with tempfile.NamedTemporaryFile(dir=pool_file.parent, delete=False) as out:
        stream = solv.xfopen_fd("", os.dup(out.fileno()), "w")
        next(iter(pool.repos)).write(stream)
        stream.close()
    Path(out.name).rename(pool_file)


def _read_packages(file: PackagesFile, blobs: Blobs) -> Iterator[dict[str, str]]:
    try:
        with blobs.path(file.digest).open("rb") as source:
            text = compression.decompressed(source, file.suffix).read().decode(errors="replace")
    except compression.ERRORS as error:
        raise DockyardError(
            Problem(
                code="debian.bad-index",
                what=f"the package index of {file.suite.id} cannot be read",
                where=str(blobs.path(file.digest)),
                why=str(error),
            )
        ) from error
    return (dict(_FIELD.findall(block)) for block in text.split("\n\n") if block)


def build_pool(
    packages: Iterable[tuple[str, dict[str, str]]],
) -> tuple[solv.Pool, dict[str, list[str]]]:
    """A pool of (repository id, fields) pairs, and the versions of every name in rank order."""
    listed = [
        (repository, fields)
        for repository, fields in packages
        if {"Package", "Version", "Architecture", "Filename", "SHA256"} <= fields.keys()
    ]
    parsed: dict[str, Group] = {}
    ranks = _Ranks()
    for _, fields in listed:
        ranks.see(fields["Package"], fields["Version"])
        for field in ("Pre-Depends", "Depends", "Conflicts", "Breaks", "Provides"):
            for text in groups(fields.get(field, "")):
                if text not in parsed:
                    parsed[text] = group(text)
                    for relation in parsed[text]:
                        if relation.operator:
                            ranks.see(relation.name, relation.version)
    versions = ranks.settle()
    maker = _Maker(parsed, ranks)
    for repository, fields in listed:
        maker.add(repository, fields)
    maker.finish()
    return maker.pool, versions


class _Ranks:
    """The rank of every version that occurs for a name; equal versions share one."""

    def __init__(self) -> None:
        self._seen: dict[str, dict[str, int]] = {}

    def see(self, name: str, version: str) -> None:
        self._seen.setdefault(name, {})[version] = 0

    def settle(self) -> dict[str, list[str]]:
        """Number them; gives one version for each rank by name."""
        table: dict[str, list[str]] = {}
        for name, found in self._seen.items():
            shown: list[str] = []
            last = None
            for version in sorted(found, key=lambda text: (key(text), text)):
                current = key(version)
                if current != last:
                    shown.append(version)
                    last = current
                found[version] = len(shown)
            table[name] = shown
        return table

    def rank(self, name: str, version: str) -> str:
        return str(self._seen[name][version])


class _Maker:
    """Puts packages into a pool."""

    def __init__(self, parsed: dict[str, Group], ranks: _Ranks) -> None:
        self.pool = solv.Pool()
        self._repository = self.pool.add_repo("debian")
        self._data = self._repository.add_repodata()
        self._keys = _Keys(self.pool)
        self._parsed = parsed
        self._ranks = ranks
        self._requires: dict[str, solv.Dep] = {}
        self._deps: dict[Relation, solv.Dep] = {}

    def add(self, repository: str, fields: dict[str, str]) -> None:
        name, version = fields["Package"], fields["Version"]
        rank = self._ranks.rank(name, version)
        solvable = self._repository.add_solvable()
        solvable.name, solvable.evr, solvable.arch = name, rank, fields["Architecture"]
        solvable.add_provides(self._dep(Relation(name, "=", version), exact=False))
        solvable.add_provides(self._dep(Relation(name, "=", version)))
        for text in groups(fields.get("Provides", "")):
            for relation in self._parsed[text]:
                solvable.add_provides(self._dep(Relation(relation.name)))
                if relation.operator:
                    solvable.add_provides(self._dep(relation))
        for field in ("Pre-Depends", "Depends"):
            for text in groups(fields.get(field, "")):
                if (dep := self._group(text)) is not None:
                    solvable.add_requires(dep)
        for field in ("Conflicts", "Breaks"):
            for text in groups(fields.get(field, "")):
                for relation in self._parsed[text]:
                    solvable.add_conflicts(self._dep(relation))
        self._describe(solvable, repository, fields)

    def _describe(self, solvable: solv.XSolvable, repository: str, fields: dict[str, str]) -> None:
        data, keys, number = self._data, self._keys, solvable.id
        data.set_str(number, keys.version, fields["Version"])
        data.set_poolstr(number, keys.repository, repository)
        data.set_str(number, keys.path, fields["Filename"].removeprefix("./"))
        data.set_num(number, solv.SOLVABLE_DOWNLOADSIZE, int(fields.get("Size", "0")))
        checksum = solv.Chksum.from_bin(solv.REPOKEY_TYPE_SHA256, bytes.fromhex(fields["SHA256"]))
        data.set_checksum(number, solv.SOLVABLE_CHECKSUM, checksum)
        priority = fields.get("Priority", "optional")
        data.set_num(
            number,
            keys.priority,
            PRIORITIES.index(priority) if priority in PRIORITIES else len(PRIORITIES),
        )
        if fields.get("Essential") == "yes":
            data.set_num(number, keys.essential, 1)
            solvable.add_provides(self._dep(Relation(_ESSENTIAL)))

    def finish(self) -> None:
        self._data.internalize()
        self._repository.internalize()

    def _group(self, text: str) -> solv.Dep | None:
        if text not in self._requires:
            result = None
            for relation in reversed(self._parsed[text]):
                dep = self._dep(relation)
                result = dep if result is None else dep.Rel(solv.REL_OR, result)
            self._requires[text] = result
        return self._requires[text]

    def _dep(self, relation: Relation, exact: bool = True) -> solv.Dep:
        """exact: ask for `=name`, which bare provides do not give."""
        if not exact:
            rank = self._ranks.rank(relation.name, relation.version)
            return self.pool.Dep(relation.name).Rel(solv.REL_EQ, self.pool.Dep(rank))
        if relation not in self._deps:
            dep = self.pool.Dep(("=" if relation.operator else "") + relation.name)
            if relation.operator:
                rank = self._ranks.rank(relation.name, relation.version)
                dep = dep.Rel(_FLAGS[relation.operator], self.pool.Dep(rank))
            self._deps[relation] = dep
        return self._deps[relation]
