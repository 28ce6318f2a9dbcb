"""Plans and builds a distribution's repository: what `dockyard distro plan` shows and `dockyard
distro build` runs, see `steps`; then publishes it, see `publication`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dockyard.config.bundled import distro_word, is_name
from dockyard.distro.arguments import Signer
from dockyard.distro.keys import default_directory, known_key, signing_key
from dockyard.distro.load import LoadedDistro, load_distro
from dockyard.distro.lock import check_suites, read_lock
from dockyard.distro.publication import is_published, publish
from dockyard.distro.steps import DistroSteps, distro_steps
from dockyard.engine import events
from dockyard.engine.holds import Hold
from dockyard.engine.plan import Plan
from dockyard.engine.run import carry_out
from dockyard.engine.store import Store
from dockyard.engine.whole import whole_plan
from dockyard.errors import DockyardError, Problem, Problems
from dockyard.host.workers import processors
from dockyard.keeping.products import DISTRIBUTION, LastPlan, note_product, record_name
from dockyard.model.architecture import Architecture
from dockyard.model.packages import Lock
from dockyard.packages.origins import Origins
from dockyard.packages.published import published, repository_path
from dockyard.tools.trees import load_tools_lock

if TYPE_CHECKING:
    from dockyard.keeping.prune import Pruned


@dataclass(frozen=True)
class PlannedDistro:
    """A distribution that was read and judged, its steps, and what is to be done."""

    loaded: LoadedDistro
    lock: Lock
    steps: DistroSteps
    plan: Plan

    @property
    def name(self) -> str:
        return self.loaded.distro.published_name

    @property
    def record_name(self) -> str:
        """Under which name the store keeps this plan, for the reasons of the next."""
        return _record_name(self.loaded)


@dataclass(frozen=True, slots=True)
class BuiltDistro:
    """A published repository. made: packages that were made in this run; total: all of them.
    changed: whether another repository was published before. remarks: warnings about the packages;
    none when nothing was to be done. given_up: what was removed from the store to stay below its
    limit; None where nothing ran.
    """

    path: Path
    name: str
    fingerprint: str
    made: int
    total: int
    changed: bool
    remarks: tuple[Problem, ...] = ()
    given_up: Pruned | None = None


def plan_distro(
    path: Path,
    store: Store,
    architecture: Architecture | None = None,
    *,
    origins: Origins | None = None,
    keys: Path | None = None,
    check: bool = True,
    beside: Sequence[str] = (),
) -> PlannedDistro:
    """Read the files and the lock of a distribution, and plan its build. Changes nothing.

    architecture: that it is built for; None for the first that it has.
    keys: where the signing key is. check: refuse to publish what is not closed or has conflicting
    files. beside: published distributions that it is checked together with. Raises DockyardError
    with every mistake of the files.
    """
    loaded = _loaded(path, architecture)
    directory = keys or default_directory()
    key = known_key(loaded.distro.name, directory)
    signer = Signer(loaded.distro.name, key.fingerprint if key else "", directory)
    together = repositories_beside(store, loaded, beside)
    return _planned(loaded, store, signer, origins, together, check=check, mend=False)


def build_distro(
    path: Path,
    store: Store,
    architecture: Architecture | None = None,
    *,
    origins: Origins | None = None,
    keys: Path | None = None,
    listener: events.Listener = events.ignore,
    jobs: int | None = None,
    check: bool = True,
    beside: Sequence[str] = (),
) -> BuiltDistro:
    """Build and publish the repository of a distribution of components.

    architecture: as in plan_distro. origins: where upstream packages are fetched from; default: as
    the host's apt has it. keys: where the signing key is, which is made when there is none. jobs:
    steps that run side by side; default: one for each processor. check, beside: as in plan_distro.
    Enters the namespace when there is something to do: call it before any thread is started. Raises
    DockyardError.
    """
    loaded = _loaded(path, architecture)
    name = loaded.distro.published_name
    together = repositories_beside(store, loaded, beside)
    directory = keys or default_directory()
    key = signing_key(loaded.distro.name, loaded.title, directory)
    signer = Signer(loaded.distro.name, key.fingerprint, directory)
    with Hold(store) as hold:
        planned = _planned(loaded, store, signer, origins, together, check=check, mend=True)
        steps, plan = planned.steps, planned.plan
        if plan.to_run:
            from dockyard.keeping.limit import limit_of

            limit_of(store.root)  # refused now, not when all is made
        counted = _Counted(steps, listener)
        carry_out(plan, hold, store, counted, jobs=jobs or processors())
        repository = store.answer(steps.repository)
        if repository is None:
            raise DockyardError(store.gone(steps.repository))
        remarks: tuple[Problem, ...] = ()
        if plan.to_run or not is_published(store, name, repository):
            store.keep_record(planned.record_name, plan.record)
            remarks = tuple(_remarks(planned, store, repository))
        _note(planned, store)
        changed = publish(store, name, repository)
        given_up = None
        if plan.to_run:
            from dockyard.keeping.limit import within_limit

            given_up = within_limit(store)
    return BuiltDistro(
        path=repository_path(store.root, name),
        name=name,
        fingerprint=key.fingerprint,
        made=counted.made,
        total=len(steps.made),
        changed=changed,
        remarks=remarks,
        given_up=given_up,
    )


def _note(planned: PlannedDistro, store: Store) -> None:
    """Keep what the plan was of, where that has changed."""
    digests = (pin.digest for pin in (*planned.lock.packages, *load_tools_lock().packages))
    directory = planned.loaded.directory
    note_product(store, planned.record_name, DISTRIBUTION, planned.name, directory, digests)


def repositories_beside(
    store: Store, loaded: LoadedDistro, names: Sequence[str]
) -> dict[str, Path]:
    """The published repositories of other distributions, by name. Raises DockyardError where one is
    not published, or is that of the distribution itself.
    """
    found: dict[str, Path] = {}
    problems = Problems()
    for name in sorted({*names}):
        place = published(store.root, name) if is_name(name) else None
        if name == loaded.distro.published_name:
            what = f"{name} is to be checked together with itself"
            problems.add("distro.with-itself", what, fix="name another distribution with --with")
        elif place is None:
            what = f"the store has no repository of {name}"
            fix = "build that distribution first"
            problems.add("distro.not-published", what, str(store.root), fix=fix)
        else:
            found[name] = place
    problems.raise_any()
    return found


def _record_name(loaded: LoadedDistro) -> str:
    return record_name(DISTRIBUTION, loaded.directory, loaded.distro.of_architecture(""))


def _loaded(path: Path, architecture: Architecture | None) -> LoadedDistro:
    loaded = load_distro(path, architecture)
    distro = loaded.distro
    if distro.repositories or distro.archive:
        source = "its archive" if distro.archive else "repositories"
        raise DockyardError(
            Problem(
                "distro.not-built",
                f"{distro.name} comes from {source}: there is nothing to build",
                str(loaded.files[0]),
                fix=f"use it in an image with `distro: {distro_word(loaded.directory)}`",
            )
        )
    return loaded


def _planned(
    loaded: LoadedDistro,
    store: Store,
    signer: Signer,
    origins: Origins | None,
    beside: Mapping[str, Path],
    *,
    check: bool,
    mend: bool,
) -> PlannedDistro:
    lock = read_lock(loaded)
    check_suites(loaded, lock)
    tools = load_tools_lock().packages
    origins = origins or Origins.of_host(os.environ)
    steps = distro_steps(loaded, lock, store, signer, tools, origins, beside)
    goals = [steps.check, steps.repository] if check else [steps.repository]
    last = LastPlan(store, _record_name(loaded))
    # What a fetch brought and is not there any more is no result, whatever is noted of it.
    gone = {}
    if steps.fetch and store.has(steps.fetch):
        gone[steps.fetch.id] = "packages that it brought were removed"
    plan = whole_plan(goals, store, last, mend=mend, gone=gone)
    return PlannedDistro(loaded, lock, steps, plan)


def _remarks(planned: PlannedDistro, store: Store, key: str) -> Iterator[Problem]:
    """The warnings about the packages of a repository that is to be published; of what the store
    has given up since it was made, they were told then.
    """
    from dockyard.distro.left_out import read_note
    from dockyard.distro.undeclared import undeclared
    from dockyard.distro.version_kept import version_kept

    steps = planned.steps
    there = [(item, step) for item, step in steps.conversions if store.has(step)]
    notes = [(item, read_note(store.path(step))) for item, step in there]
    yield from undeclared(planned.loaded, notes)
    yield from version_kept(planned.loaded, store, key, steps.signed)


class _Counted:
    """A listener that counts the packages that are made."""

    def __init__(self, steps: DistroSteps, listener: events.Listener) -> None:
        self._makers = {step.id for step in steps.made}
        self._listener = listener
        self.made = 0

    def __call__(self, event: events.Event) -> None:
        if isinstance(event, events.StepFinished) and not event.note:
            self.made += event.step in self._makers
        self._listener(event)
