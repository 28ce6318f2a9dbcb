"""Moves the pins of Debian packages that nobody has any more, and nothing else.

A Debian archive keeps one version of a package, and the binary packages of a source change
together. A pin is gone when the suite's index does not list its bytes and neither the blobs, nor an
offline directory, nor a mirror has them. It moves to what the suite has now. Other pins stay,
except those that a moved package needs in another version, and those of the same source that the
archive dropped with it. What a moved package newly needs comes in; what the archive has no more
under its name, and nobody asked for by name, goes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import solv

from dockyard.errors import DockyardError, Problem, Problems
from dockyard.host.network import Network, TransferFailed
from dockyard.model.packages import Lock, LockedRepository, Pin
from dockyard.packages.blobs import Blobs
from dockyard.packages.deb.archive import Suite
from dockyard.packages.deb.index import Candidate, Index
from dockyard.packages.deb.needs import Need, conflicts, depends
from dockyard.packages.deb.pins import locked_repository, open_suites, pin
from dockyard.packages.deb.solve import ranked
from dockyard.packages.deb.version import satisfies
from dockyard.packages.fetch import Progress
from dockyard.packages.locking import diff_pins
from dockyard.packages.origins import Origins


def refresh_missing(
    lock: Lock,
    worlds: Sequence[Sequence[Suite]],
    store: Path,
    origins: Origins,
    progress: Progress | None = None,
    *,
    dependencies: bool = True,
) -> tuple[Lock, list[str]]:
    """The lock with its missing pins moved, and the moves in words; the same lock and no words
    when nothing is missing.

    worlds: suites that are installed from together; packages of two worlds never meet.
    dependencies: see `move_gone`. Raises DockyardError when a
    mirror cannot be asked (`fetch.mirror-down`) or a package that was asked for is no longer in
    the archive (`debian.no-package`).
    """
    asked = set(lock.request.install) if lock.request else set()
    packages: list[Pin] = []
    repositories = {entry.id: entry for entry in lock.repositories}
    problems = Problems()
    for suites in worlds:
        ids = {suite.id for suite in suites}
        pins = [item for item in lock.packages if item.repository in ids]
        try:
            kept, entries = _refresh_world(pins, suites, store, origins, progress, dependencies)
        except DockyardError as error:
            problems.extend(error.problems)
            continue
        packages += kept
        repositories.update({entry.id: entry for entry in entries})
        problems.extend(lost(pins, kept, asked))
    problems.raise_any()
    others = {suite.id for suites in worlds for suite in suites}
    packages += [item for item in lock.packages if item.repository not in others]
    words = diff_pins(lock.packages, packages)
    if not words:
        return lock, []
    new = replace(
        lock, packages=tuple(sorted(packages)), repositories=tuple(sorted(repositories.values()))
    )
    return new, words


def _refresh_world(
    pins: Sequence[Pin],
    suites: Sequence[Suite],
    store: Path,
    origins: Origins,
    progress: Progress | None,
    dependencies: bool,
) -> tuple[list[Pin], list[LockedRepository]]:
    index, opened = open_suites(suites, store, origins, progress)
    moved, why = move_gone(pins, index, Blobs.of_store(store), origins, dependencies=dependencies)
    return moved, [locked_repository(file) for file in opened] if why else []


def move_gone(
    pins: Sequence[Pin],
    index: Index,
    blobs: Blobs,
    origins: Origins,
    *,
    dependencies: bool = True,
) -> tuple[list[Pin], dict[str, str]]:
    """The pins of one world with those moved that nobody has any more, and why, by name; a pin
    whose name the index does not have goes.

    dependencies: whether to take in what moved packages newly need; without, only what is pinned
    moves for their sake. Raises DockyardError when a mirror cannot be asked (`fetch.mirror-down`).
    """
    unlisted = [item for item in pins if not _listed(index, item)]
    moves = _Moves(index, {item.name: item for item in pins}, dependencies)
    gone = _gone(unlisted, blobs, origins)
    for item in gone:
        moves.why[item.name] = f"nobody has {item.evr} any more"
    sources = {_source(item): item.name for item in gone}
    for item in unlisted:
        if _source(item) in sources:
            moves.why.setdefault(item.name, f"it goes with {sources[_source(item)]}")
    if gone:
        moves.run(list(moves.why))
    return (moves.result() if gone else list(pins)), moves.why


def _source(item: Pin) -> tuple[str, str]:
    """Archives keep the packages of a source in a directory of its own."""
    return item.repository, item.path.rpartition("/")[0]


def _listed(index: Index, item: Pin) -> bool:
    return any(
        found.digest == item.digest and found.path == item.path for found in index.named(item.name)
    )


def _gone(unlisted: Sequence[Pin], blobs: Blobs, origins: Origins) -> list[Pin]:
    """Those that nobody has. Raises DockyardError when a mirror gives no answer."""
    places = [blobs, *(Blobs(path) for path in origins.offline)]
    unsure = [item for item in unlisted if not any(place.has(item.digest) for place in places)]
    with Network() as network, ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda item: _on_mirror(network, item, origins.mirrors), unsure))
    problems = Problems()
    for item, answer in zip(unsure, answers, strict=True):
        if isinstance(answer, str):
            problems.add(
                "fetch.mirror-down",
                f"whether {item.nevra} can still be had is not known",
                why=answer,
                fix="check the network and the proxy settings, and run the command again",
            )
    problems.raise_any()
    return [item for item, answer in zip(unsure, answers, strict=True) if answer is False]


def _on_mirror(network: Network, item: Pin, mirrors: Iterable[str]) -> bool | str:
    """Whether a mirror has a pin's file, or why that is not known."""
    why = ""
    for mirror in mirrors:
        try:
            if network.exists(f"{mirror}/{item.path}"):
                return True
        except TransferFailed as error:
            why = why or error.why
    return why or False


def lost(old: Iterable[Pin], new: Iterable[Pin], asked: set[str]) -> list[Problem]:
    """A problem for each package that was asked for and could not be moved."""
    there = {item.name for item in new}
    # A request may name the suite before the package: `testing/xfsprogs`.
    names = {name.rpartition("/")[2] for name in asked}
    return [
        Problem(
            code="debian.no-package",
            what=f"the archive has no package {item.name} any more",
            why=f"{item.nevra} is pinned, and no source has it any more",
            fix="name a mirror that has it with --mirror-dir, or ask for another package",
        )
        for item in old
        if item.name in names and item.name not in there
    ]


@dataclass
class _Moves:
    """Moves pins of one world to what its index has. why: in words, by name."""

    index: Index
    pins: dict[str, Pin]
    dependencies: bool
    why: dict[str, str] = field(default_factory=dict)
    _new: dict[str, Candidate] = field(default_factory=dict)
    _dropped: set[str] = field(default_factory=set)
    _open: list[Candidate] = field(default_factory=list)

    def run(self, names: Iterable[str]) -> None:
        for name in sorted(names):
            found = self.index.named(name)
            if found:
                self._move(found[0])
            else:
                self._dropped.add(name)
        while self._open:
            solvable = self.index.pool.id2solvable(self._open.pop(0).number)
            for group in depends(self.index, solvable):
                if not any(self._met(need) for need in group):
                    self._meet(group, solvable.name)
            for need in conflicts(self.index, solvable):
                self._avoid(need, solvable.name)

    def result(self) -> list[Pin]:
        kept = {
            name: item
            for name, item in self.pins.items()
            if name not in self._new and name not in self._dropped
        }
        return sorted([*kept.values(), *map(pin, self._new.values())])

    def _move(self, candidate: Candidate, why: str = "") -> None:
        if candidate.name not in self._new:
            self._new[candidate.name] = candidate
            self._open.append(candidate)
            if why:
                self.why[candidate.name] = why

    def _version(self, name: str) -> str | None:
        """The version of a name that the new lock has so far."""
        if name in self._new:
            return self._new[name].version
        if name in self.pins and name not in self._dropped:
            return self.pins[name].evr
        return None

    def _met(self, need: Need) -> bool:
        own = self._version(need.name)
        if own is not None:
            version = need.version(self.index)
            if not need.operator or satisfies(own, need.operator, version):
                return True
        return any(
            self._version(found.name) == self.index.candidate(found).version
            for found in self.index.pool.whatprovides(need.dep)
        )

    def _meet(self, group: Sequence[Need], by: str) -> None:
        """Take what satisfies a group that a package needs: a package that is there in another
        version before any other.
        """
        options: list[solv.XSolvable] = []
        for need in group:
            options += ranked(self.index, need.name, self.index.pool.whatprovides(need.dep))
        there = [found for found in options if self._version(found.name) is not None]
        if chosen := (there or (options if self.dependencies else []))[:1]:
            words = " or ".join(need.plain(self.index) for need in group)
            self._move(self.index.candidate(chosen[0]), f"{by} needs {words}")

    def _avoid(self, need: Need, by: str) -> None:
        """Move a package that stayed in a version which a moved one does not get along with."""
        item = self.pins.get(need.name)
        if item is None or need.name in self._new or need.name in self._dropped:
            return
        if need.operator and satisfies(item.evr, need.operator, need.version(self.index)):
            found = self.index.named(need.name)
            if found and not satisfies(found[0].version, need.operator, need.version(self.index)):
                self._move(found[0], f"{by} does not go with {item.name} {item.evr}")
