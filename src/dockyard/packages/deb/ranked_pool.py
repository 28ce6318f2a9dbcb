"""Debian packages in a libsolv pool, with ranks in place of versions.

libsolv compares versions as rpm does. So every version that occurs for a name, in packages,
provides and relations, is sorted in dpkg's order and stands in the pool as its rank. For dpkg a
versioned relation is met by the package itself or by a versioned provide, never by a bare one: a
package `p` of rank 7 therefore provides `p = 7` and `=p = 7`, a bare provide gives `p` only, and a
versioned relation asks for `=p`.

Each solvable carries its true version, path, size, digest and repository. Packages that are
installed (their repository is "") are a repository of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import solv

from dockyard.packages.deb.relations import Alternatives, DebRelation, group, groups
from dockyard.packages.deb.version import key

PRIORITIES = ("required", "important", "standard", "optional", "extra")
ESSENTIAL = "dockyard(essential)"
"""What every essential package provides in the pool."""

_FLAGS = {
    "<<": solv.REL_LT,
    "<=": solv.REL_LT | solv.REL_EQ,
    "=": solv.REL_EQ,
    ">=": solv.REL_GT | solv.REL_EQ,
    ">>": solv.REL_GT,
}


_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9+.\-]*")
_SHA256 = re.compile("[0-9a-f]{64}")


class Keys:
    """Our own attributes of a solvable."""

    def __init__(self, pool: solv.Pool) -> None:
        self.version = pool.str2id("dockyard:version")
        self.repository = pool.str2id("dockyard:repository")
        self.path = pool.str2id("dockyard:path")
        self.essential = pool.str2id("dockyard:essential")
        self.priority = pool.str2id("dockyard:priority")


def build_pool(
    packages: Iterable[tuple[str, dict[str, str]]],
) -> tuple[solv.Pool, dict[str, list[str]]]:
    """A pool of (repository id, fields) pairs, and the versions of every name in rank order."""
    listed = [
        (repository, fields)
        for repository, fields in packages
        if {"Package", "Version", "Architecture", "Filename", "SHA256"} <= fields.keys()
    ]
    for _, fields in listed:
        # libsolv is not asked to judge these: it takes any, and falls over later.
        if not _NAME.fullmatch(fields["Package"]) or not _SHA256.fullmatch(fields["SHA256"]):
            raise ValueError(f"the package {fields['Package'][:60]!r} has a bad name or digest")
    parsed: dict[str, Alternatives] = {}
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

    def __init__(self, parsed: dict[str, Alternatives], ranks: _Ranks) -> None:
        self.pool = solv.Pool()
        self.available = self.pool.add_repo("debian")
        self.installed = self.pool.add_repo("installed")
        self._data_of = {each: each.add_repodata() for each in (self.available, self.installed)}
        self._keys = Keys(self.pool)
        self._parsed = parsed
        self._ranks = ranks
        self._requires: dict[str, solv.Dep] = {}
        self._deps: dict[DebRelation, solv.Dep] = {}
        self._names: dict[str, solv.Dep] = {}

    def add(self, repository: str, fields: dict[str, str]) -> None:
        name, version = fields["Package"], fields["Version"]
        rank = self._ranks.rank(name, version)
        own = self.available if repository else self.installed
        solvable = own.add_solvable()
        solvable.name, solvable.evr, solvable.arch = name, rank, fields["Architecture"]
        solvable.add_provides(self._dep(DebRelation(name, "=", version), exact=False))
        solvable.add_provides(self._dep(DebRelation(name, "=", version)))
        for text in groups(fields.get("Provides", "")):
            for relation in self._parsed[text]:
                solvable.add_provides(self._dep(DebRelation(relation.name)))
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
        self._describe(solvable, self._data_of[own], repository, fields)

    def _describe(
        self, solvable: solv.XSolvable, data: Any, repository: str, fields: dict[str, str]
    ) -> None:
        keys, number = self._keys, solvable.id
        data.set_str(number, keys.version, fields["Version"])
        data.set_poolstr(number, keys.repository, repository)
        data.set_str(number, keys.path, fields["Filename"].removeprefix("./"))
        data.set_num(number, solv.SOLVABLE_DOWNLOADSIZE, int(fields.get("Size", "0")))
        if (size := fields.get("Installed-Size", "")).isdigit():  # KiB
            data.set_num(number, solv.SOLVABLE_INSTALLSIZE, int(size) * 1024)
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
            solvable.add_provides(self._dep(DebRelation(ESSENTIAL)))

    def finish(self) -> None:
        for repository, data in self._data_of.items():
            data.internalize()
            repository.internalize()

    def _group(self, text: str) -> solv.Dep | None:
        if text not in self._requires:
            result = None
            for relation in reversed(self._parsed[text]):
                dep = self._dep(relation)
                result = dep if result is None else dep.Rel(solv.REL_OR, result)
            self._requires[text] = result
        return self._requires[text]

    def _dep(self, relation: DebRelation, exact: bool = True) -> solv.Dep:
        """exact: a versioned relation asks for `=name`, which bare provides do not give."""
        if not relation.operator:
            return self._name(relation.name)
        if not exact:
            return self._name(relation.name).Rel(solv.REL_EQ, self._rank(relation))
        if relation not in self._deps:
            dep = self.pool.Dep("=" + relation.name)
            self._deps[relation] = dep.Rel(_FLAGS[relation.operator], self._rank(relation))
        return self._deps[relation]

    def _name(self, text: str) -> solv.Dep:
        """The bare text as a dep, made once: crossing into libsolv costs more than a look-up."""
        if text not in self._names:
            self._names[text] = self.pool.Dep(text)
        return self._names[text]

    def _rank(self, relation: DebRelation) -> solv.Dep:
        return self._name(self._ranks.rank(relation.name, relation.version))
