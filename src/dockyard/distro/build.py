"""Builds a distribution's repository: fetch, convert, make our own packages, sign, check, publish.

    <store>/blobs/                     upstream packages, by digest
    <store>/converted/<key>.rpm        packages as they were made, unsigned
    <store>/signed/<fingerprint>/<key>.rpm
    <store>/repositories/<name>        what is published (see `repository`)

Every stage keeps what it finished. When nothing that shapes the repository has changed, only the
distribution's files and the lock are read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dockyard.distro import identity, repository
from dockyard.distro.keys import SigningKey, default_directory, signing_key
from dockyard.distro.load import LoadedDistro, load_distro
from dockyard.distro.lock import lock_path, read_lock
from dockyard.engine import events
from dockyard.errors import DockyardError, Problem, Severity
from dockyard.host.files import exclusive
from dockyard.host.removal import remove_tree
from dockyard.model.components import Component, Package

if TYPE_CHECKING:
    from dockyard.host.sandbox import Tools
    from dockyard.packages.deb.sources import Origins


# How many packages a warning names.
_NAMED = 8


@dataclass(frozen=True, slots=True)
class BuiltDistro:
    """A published repository. made: packages that were made in this run; total: all of them.
    remarks: warnings about the packages; none when nothing was to be built.
    """

    path: Path
    name: str
    fingerprint: str
    made: int
    total: int
    changed: bool
    remarks: tuple[Problem, ...] = ()


def build_distro(
    path: Path,
    store: Path,
    tools: Callable[[], Tools],
    *,
    origins: Origins | None = None,
    keys: Path | None = None,
    listener: events.Listener = events.ignore,
    check: bool = True,
) -> BuiltDistro:
    """Build and publish the repository of a distribution of components.

    tools: gives the tools tree when it is needed. check: refuse to publish what is not closed or
    has conflicting files. Needs the namespace.
    Raises DockyardError with all problems of a stage together.
    """
    loaded = load_distro(path)
    _refuse_binary(loaded)
    lock = read_lock(loaded)
    key = signing_key(loaded.distro.name, loaded.title, keys or default_directory())
    name = loaded.distro.name
    sources = identity.SourceFiles(loaded.directory)
    whole = _whole_key(loaded, sources, key)
    place = repository.repository_path(store, name)
    total = len(lock.packages) + len(loaded.packages)
    if repository.published(store, name) == whole:
        return BuiltDistro(place, name, key.fingerprint, 0, total, changed=False)
    # Loaded only now: a build that changes nothing is answered without the stages.
    from dockyard.distro.locking import check_suites
    from dockyard.distro.stages import Stages

    check_suites(loaded, lock)
    place.parent.mkdir(parents=True, exist_ok=True)
    with exclusive(place.with_name(f".{name}.lock")):
        stages = Stages(loaded, lock, store, listener)
        stages.fetch(origins or _origins_of_host())
        jobs = stages.plan(sources)
        made = stages.make(jobs)
        signed = stages.sign(jobs, key)
        remarks = (*stages.remarks, *_missed_updates(loaded, store, signed))
        work = stages.repository(signed, key, tools())
        try:
            if check:
                stages.check(work)
            place = repository.publish(store, name, work, whole)
        finally:
            remove_tree(work)
    return BuiltDistro(place, name, key.fingerprint, made, total, True, remarks)


def _missed_updates(
    loaded: LoadedDistro, store: Path, signed: Sequence[tuple[str, Path]]
) -> list[Problem]:
    """A warning when packages changed and their versions did not."""
    kept = repository.kept_versions(store, loaded.distro.name, signed)
    if not kept:
        return []
    named = ", ".join(name.removesuffix(".rpm") for name in kept[:_NAMED])
    more = f" and {len(kept) - _NAMED} more" if len(kept) > _NAMED else ""
    return [
        Problem(
            "distro.version-kept",
            f"changed since the repository was last made, and of the same version: {named}{more}",
            str(loaded.files[0]),
            why="dnf compares versions: machines that have a package never get its change",
            fix="raise `revision` of the component, or `release` of a package of your own; "
            "as long as no machine uses the repository, nothing needs it",
            severity=Severity.WARNING,
        )
    ]


def _origins_of_host() -> Origins:
    import os

    from dockyard.packages.deb.sources import Origins

    return Origins.of_host(os.environ)


def _refuse_binary(loaded: LoadedDistro) -> None:
    if loaded.distro.repositories:
        raise DockyardError(
            Problem(
                "distro.not-built",
                f"{loaded.distro.name} comes from repositories: there is nothing to build",
                str(loaded.files[0]),
                fix=f"use it in an image with `distro: {loaded.distro.name}`",
            )
        )


def _whole_key(loaded: LoadedDistro, sources: identity.SourceFiles, key: SigningKey) -> str:
    declared: list[Component | Package] = [*loaded.components.values(), *loaded.packages]
    used = sorted({pair for item in declared for pair in sources.of(item).items()})
    texts = [f"{name}\0{digest}" for name, digest in used]
    lock = [lock_path(loaded)] if loaded.distro.upstream else []
    return identity.distro_key([*loaded.files, *lock], texts, key.fingerprint)
