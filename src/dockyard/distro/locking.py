"""Makes the lock of a distribution: chooses the newest version of every declared package, or moves
only what nobody has any more; says what changed and why, and what the packages depend on that the
distribution does not have.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from dockyard.distro.choosing import Needed, choose, needed
from dockyard.distro.imports import Import
from dockyard.distro.load import LoadedDistro
from dockyard.distro.lock import lock_path, made_by, pins_of, shared, worlds
from dockyard.errors import DockyardError, Problem, Problems
from dockyard.host.files import write_atomic
from dockyard.model.packages import Lock, Pin, Request
from dockyard.packages import lockfile
from dockyard.packages.blobs import Blobs
from dockyard.packages.deb.index import Candidate, Index
from dockyard.packages.deb.pins import locked_repository, open_suites, pin
from dockyard.packages.deb.refresh import move_gone
from dockyard.packages.fetch import Progress
from dockyard.packages.locking import diff_pins, follow
from dockyard.packages.origins import Origins


@dataclass(frozen=True, slots=True)
class MadeLock:
    """A lock that was written. changes: lines for people against the lock before.

    unmet: what pinned packages depend on that the distribution does not have. missing: the
    components that would give it, with all that these need in turn.
    """

    lock: Lock
    path: Path
    changes: tuple[str, ...]
    unmet: tuple[str, ...]
    missing: tuple[str, ...] = ()


def where_to_declare(loaded: LoadedDistro, names: Sequence[str]) -> str:
    """What to do about components that are missing: both files, and every line."""
    file = loaded.files[0]
    known = ", ".join(str(name) for name in loaded.distro.components[:2])
    lines = "".join(f"\n  {name}:" for name in names)
    return (
        f"what would meet all of this, to be declared below `components:` in a file such as "
        f"{known} (or in a new one, which {file} must name, too):{lines}"
    )


def make_lock(
    loaded: LoadedDistro,
    store: Path,
    origins: Origins,
    *,
    refresh_missing: bool = False,
    progress: Progress | None = None,
) -> MadeLock:
    """Choose the newest version of every declared package and write the lock.

    refresh_missing: keep the pins that are there; move only those whose files nobody has any more,
    with what they need, and add those not yet pinned. Raises DockyardError for packages that no
    suite has, and for suites that are older than the lock (`lock.older-metadata`).
    """
    together = worlds(loaded)
    if not any(together.values()):
        what = f"{loaded.distro.name} imports nothing: there is nothing to lock"
        raise DockyardError(Problem("distro.no-upstream", what, str(loaded.files[0])))
    opened = {
        name: open_suites(wanted, store, origins, progress) for name, wanted in together.items()
    }
    path = lock_path(loaded)
    read = lockfile.load if refresh_missing and path.is_file() else lockfile.load_if_sound
    old = read(path, made_by(loaded))
    before = old.packages if old else ()
    choice = _Choice(loaded, {name: index for name, (index, _) in opened.items()})
    kept: list[Pin] = []
    for name, wanted in together.items() if refresh_missing else ():
        ids = {suite.id for suite in wanted}
        there = [item for item in before if item.repository in ids]
        moved, why = move_gone(
            there, choice.indexes[name], Blobs.of_store(store), origins, dependencies=False
        )
        choice.why |= why
        # A moved pin is chosen again: one of a pattern may get another name.
        kept += set(moved).intersection(there)
    choice.run(sorted(kept))
    lock = Lock(
        subject=loaded.distro.name,
        request=Request(
            tuple(sorted({item.request for item in choice.pins})),
            architecture=loaded.distro.architecture,
        ),
        repositories=tuple(
            locked_repository(file) for _, files in opened.values() for file in files
        ),
        packages=tuple(sorted(set(choice.pins.values()))),
    )
    lock = follow(old, lock, str(path))
    write_atomic(path, lockfile.dump(lock).encode())
    unmet = choice.unmet()
    return MadeLock(lock, path, tuple(choice.changes(before)), unmet.lines, unmet.components)


@dataclass
class _Choice:
    """The pin of every import. indexes: by the suite that components name, if any. why: pins of the
    lock before moved, in words, by name.
    """

    loaded: LoadedDistro
    indexes: Mapping[str | None, Index]
    why: dict[str, str] = field(default_factory=dict)
    pins: dict[Import, Pin] = field(default_factory=dict)

    def run(self, kept: Iterable[Pin]) -> None:
        """Take for every import its kept pin, else what the index has."""
        problems = Problems()
        for item, pins in pins_of(self.loaded.imports(), kept).items():
            try:
                self.pins[item] = pins[0] if len(pins) == 1 else pin(self._chosen(item))
            except DockyardError as error:
                where = self.loaded.positions.get(item.component)
                problems.extend(replace(each, where=where) for each in error.problems)
        words = shared(pins_of(self.loaded.imports(), self.pins.values()))
        for text in words if not problems else ():
            problems.add("distro.ambiguous-import", text, str(self.loaded.files[0]))
        problems.raise_any()

    def _chosen(self, item: Import) -> Candidate:
        return choose(self.indexes[item.declaration.suite], item)

    def changes(self, before: Iterable[Pin]) -> Iterable[str]:
        """What changed against the lock before, and why as far as it is known."""
        old = {item.name: item for item in before}
        new = {item.name: item for item in self.pins.values()}
        for item, pins in pins_of(self.loaded.imports(), old.values()).items():
            now = self.pins[item]
            if item.is_pattern and len(pins) == 1 and pins[0].name != now.name:
                was = pins[0]
                words = f"{was.name} {was.evr} -> {now.name} {now.evr}"
                yield self._reasoned(words, was.name, item.declaration.follows)
                del old[was.name], new[now.name]
        for name in sorted(old.keys() | new.keys()):
            pair = ([pins[name]] if name in pins else [] for pins in (old, new))
            for words in diff_pins(*pair):
                yield self._reasoned(words, name)

    def _reasoned(self, words: str, name: str, follows: str | None = None) -> str:
        why = [self.why[name]] if name in self.why else []
        why += [f"{follows} needs it now"] if follows else []
        return f"{words} ({'; '.join(why)})" if why else words

    def unmet(self) -> Needed:
        """What pinned packages depend on that no component and no own package gives."""
        given = set(self.loaded.distro.drop_requires)
        for package in self.loaded.packages:
            given |= {package.name, *(text.split()[0] for text in package.provides)}
        for component in self.loaded.components.values():
            given |= {text.split()[0] for text in component.provides}
        return needed(self.indexes[None], self.pins, given)
