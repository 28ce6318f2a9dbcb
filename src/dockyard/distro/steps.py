"""The steps of a distribution's build, as data:

    fetch ┄ relations ─ relations-<name> ─ convert-<name> ┬ sign-<name> ┬ repository
                                               own-<name> ┤       tools ┘
                                                          └ check

What declares a package shapes the steps of that package alone; the relations of imported packages
are mapped together, and each gets its own. Everything but signing and the repository is the same
for whoever signs; and only this process reads the key, no worker.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dockyard.distro.arguments import (
    AllImported,
    Changes,
    Checking,
    Conversion,
    DistroFacts,
    Fetch,
    ImportedPackage,
    OwnPackage,
    Repository,
    Selection,
    Signer,
    Signing,
)
from dockyard.distro.load import LoadedDistro
from dockyard.distro.lock import PinnedImport, made_by, pinned_imports
from dockyard.distro.relations import declared
from dockyard.distro.scriptlets import resolve
from dockyard.distro.sources import SourceFiles
from dockyard.engine.step import Step
from dockyard.engine.store import Store
from dockyard.errors import Problems
from dockyard.model.components import Component, Package
from dockyard.model.packages import Lock, Pin
from dockyard.packages.blobs import Blobs
from dockyard.packages.origins import Origins
from dockyard.packages.rpm.payload import LEVEL, LIBRARY
from dockyard.tools.trees import tools_step


@dataclass(frozen=True)
class DistroSteps:
    """The steps of one build. conversions: by pinned import. signed: the steps that made packages,
    by those that sign them, names both. fetch: None where every package that is read is there.
    """

    conversions: tuple[tuple[PinnedImport, Step], ...]
    own: tuple[Step, ...]
    signed: Mapping[str, str]
    check: Step
    repository: Step
    fetch: Step | None

    @property
    def made(self) -> tuple[Step, ...]:
        """The steps that make packages."""
        return (*(step for _, step in self.conversions), *self.own)


def distro_steps(
    loaded: LoadedDistro,
    lock: Lock,
    store: Store,
    signer: Signer,
    tools: Iterable[Pin],
    origins: Origins,
    beside: Mapping[str, Path] | None = None,
) -> DistroSteps:
    """The steps that make the repository of a distribution. store: what it has of upstream's
    packages is not fetched. beside: the published repositories of other distributions that this one
    is checked together with, by name. Raises DockyardError for declarations that fit nothing.
    """
    beside = beside or {}
    planner = _Planner(loaded, lock, store, origins)
    conversions, own = planner.conversions(), planner.own()
    planner.problems.raise_any()
    made = (*(step for _, step in conversions), *own)
    signatures = [
        Step.of(
            "sign",
            f"Sign {step.name.partition('-')[2]}",
            "dockyard.distro.signing:sign_package",
            Signing(step.name, signer),
            (step,),
            name=f"sign-{step.name.partition('-')[2]}",
            group="Sign packages",
        )
        for step in made
    ]
    signed = {step.name: maker.name for step, maker in zip(signatures, made, strict=True)}
    repository = Step.of(
        "repository",
        f"Make the repository of {_packages(len(made))}",
        "dockyard.distro.repository:make_repository",
        Repository(
            loaded.distro.published_name, loaded.epoch, signer, dict(sorted(signed.items()))
        ),
        (*made, *signatures, tools_step(tools, origins)),
    )
    check = Step.of(
        "check",
        "Check relations and file conflicts" + "".join(f", with {name}" for name in beside),
        "dockyard.distro.check:check_packages",
        Checking(
            tuple(sorted(step.name for step in made)),
            loaded.places(),
            {name: place.name for name, place in beside.items()},
            tuple(beside.values()),
        ),
        made,
        pure=True,
    )
    return DistroSteps(conversions, own, signed, check, repository, planner.fetch)


def _packages(count: int, kind: str = "") -> str:
    return f"{count} {kind}package{'' if count == 1 else 's'}"


def _some(names: Sequence[str]) -> str:
    more = len(names) - 3
    return ", ".join(names[:3]) + (f" and {more} more" if more > 0 else "")


@dataclass
class _Planner:
    """Plans what makes packages; what does not fit goes to the problems."""

    loaded: LoadedDistro
    lock: Lock
    store: Store
    origins: Origins
    fetch: Step | None = None
    problems: Problems = field(default_factory=Problems)

    def __post_init__(self) -> None:
        loaded, distro = self.loaded, self.loaded.distro
        title, vendor = f"{loaded.title} {distro.version}", distro.vendor or loaded.title
        compressor = f"zstd {LIBRARY}, level {LEVEL}"
        self._facts = DistroFacts(title, vendor, loaded.epoch, distro.drop, distro.keep, compressor)
        self._sources = SourceFiles(loaded.directory)

    def conversions(self) -> tuple[tuple[PinnedImport, Step], ...]:
        """The steps of imported packages, the largest first: so none is left for the end."""
        pinned = pinned_imports(self.loaded, self.lock)
        if not pinned:
            return ()
        relations = self._relations(pinned)
        found = [
            (item, step)
            for item in sorted(pinned, key=lambda item: (-item.pin.size, item.name))
            if (step := self._conversion(item, relations))
        ]
        if self.fetch is None:
            lacking = {pin.digest for pin in self._lacking()}
            fetched = {
                item.pin
                for item, step in found
                if item.pin.digest in lacking and not self.store.has(step)
            }
            if fetched:
                self.fetch = fetch = self._fetch(sorted(fetched))
                found = [
                    (item, replace(step, borrowed=(fetch,)) if item.pin in fetched else step)
                    for item, step in found
                ]
        return tuple(found)

    def _lacking(self) -> list[Pin]:
        blobs = Blobs.of_store(self.store.root)
        return [pin for pin in self.lock.packages if not blobs.has(pin.digest)]

    def _fetch(self, pins: Sequence[Pin]) -> Step:
        return Step.of(
            "fetch",
            f"Fetch {_packages(len(pins), 'upstream ')}",
            "dockyard.distro.fetching:fetch_packages",
            Fetch(tuple(pins), self.origins, made_by(self.loaded, "--refresh-missing")),
            because=f"the store lacks {_some([pin.name for pin in pins])}",
        )

    def _relations(self, pinned: Sequence[PinnedImport]) -> Step:
        step = Step.of(
            "relations",
            f"Map the relations of {_packages(len(pinned))}",
            "dockyard.distro.mapping:map_relations",
            AllImported(
                tuple(
                    ImportedPackage(
                        name=item.name,
                        digest=item.pin.digest,
                        changes=Changes.of(item.declaration),
                        component=item.component,
                        upstream=item.pin.name,
                        strict=item.strict,
                        where=self.loaded.positions.get(item.component),
                    )
                    for item in pinned
                ),
                self.loaded.distro.drop_requires,
            ),
            pure=True,
        )
        lacking = [] if self.store.has(step) else self._lacking()
        if not lacking:
            return step
        self.fetch = self._fetch(lacking)
        return replace(step, borrowed=(self.fetch,))

    def _conversion(self, item: PinnedImport, relations: Step) -> Step | None:
        shared = self._shared(item.component, item.declaration)
        if shared is None:
            return None
        own = Step.of(
            "select",
            f"Take the relations of {item.name}",
            "dockyard.distro.mapping:select_relations",
            Selection(item.name),
            (relations,),
            name=f"relations-{item.name}",
            group="Take each package's relations",
        )
        # What only says what a build need not warn of is no part of what is made.
        declaration = replace(item.declaration, do_without=())
        return Step.of(
            "convert",
            f"Convert {item.pin.nevra}",
            "dockyard.distro.convert:convert",
            Conversion(
                name=item.name,
                digest=item.pin.digest,
                upstream=item.pin.nevra,
                declaration=declaration,
                strict=item.strict,
                **shared,
            ),
            (own,),
            name=f"convert-{item.name}",
            group="Convert upstream packages",
            pure=True,
        )

    def own(self) -> tuple[Step, ...]:
        """The steps of the distribution's own packages."""
        found = []
        for package in self.loaded.packages:
            if (shared := self._shared(package.name, package)) is None:
                continue
            found.append(
                Step.of(
                    "own",
                    f"Make {package.name}",
                    "dockyard.distro.own:make_own",
                    OwnPackage(package=package, **shared),
                    name=f"own-{package.name}",
                    group="Make the distribution's own packages",
                    pure=True,
                )
            )
        return tuple(found)

    def _shared(self, name: str, declaration: Component | Package) -> dict[str, Any] | None:
        """What both kinds of packages are ordered with; None where the declaration does not fit."""
        where = self.loaded.positions.get(name)
        try:
            scriptlets, triggers = resolve(declaration.scriptlets, self.loaded.scriptlets)
            declared(declaration)
        except ValueError as error:
            self.problems.add("distro.invalid", f"{name}: {error}", where)
            return None
        return {
            "scriptlets": scriptlets,
            "triggers": triggers,
            "facts": self._facts,
            "sources": self._sources.of(declaration),
            "directory": self.loaded.directory,
            "where": where,
        }
