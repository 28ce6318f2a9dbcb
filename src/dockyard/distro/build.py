"""Builds a distribution's repository: fetch, convert, make our own packages, sign, check, publish.

    <store>/blobs/                     upstream packages, by digest
    <store>/converted/<key>.rpm        packages as they were made, unsigned
    <store>/signed/<fingerprint>/<key>.rpm
    <store>/repositories/<name>        what is published (see `repository`)

Every stage keeps what it finished. When nothing that shapes the repository has changed, only the
distribution's files and the lock are read.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from dockyard.distro import check as checks
from dockyard.distro import identity, repository
from dockyard.distro.convert import Conversion, DistroFacts, convert
from dockyard.distro.keys import SigningKey, default_directory, signing_key
from dockyard.distro.load import LoadedDistro, load_distro
from dockyard.distro.lock import lock_path, read_lock
from dockyard.distro.own import OwnPackage, make
from dockyard.distro.relations import Imported, RelationMapper
from dockyard.distro.scriptlets import resolve
from dockyard.engine import events
from dockyard.errors import DockyardError, Problem
from dockyard.host.clock import monotonic
from dockyard.host.files import exclusive, remove_tree
from dockyard.host.sandbox import Tools
from dockyard.host.workers import each
from dockyard.model.distro import Component, Package
from dockyard.model.packages import Lock
from dockyard.packages.blobs import Blobs
from dockyard.packages.deb.package import read_deb
from dockyard.packages.deb.pins import fetch_pins
from dockyard.packages.deb.sources import Origins
from dockyard.packages.fetch import FetchEvent, FetchState
from dockyard.packages.rpm.reader import read_package
from dockyard.packages.rpm.signature import sign


@dataclass(frozen=True, slots=True)
class BuiltDistro:
    """A published repository. made: packages that were made in this run; total: all of them."""

    path: Path
    name: str
    fingerprint: str
    made: int
    total: int
    changed: bool


@dataclass(frozen=True, slots=True)
class _Job:
    """One package to be made, and where."""

    key: str
    out: Path
    work: Conversion | OwnPackage
    weight: int

    @property
    def name(self) -> str:
        return self.work.name if isinstance(self.work, Conversion) else self.work.package.name


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
    place.parent.mkdir(parents=True, exist_ok=True)
    with exclusive(place.with_name(f".{name}.lock")):
        stages = _Stages(loaded, lock, store, listener)
        stages.fetch(origins or Origins.of_host(os.environ))
        jobs = stages.plan(sources)
        made = stages.make(jobs)
        signed = stages.sign(jobs, key)
        work = stages.repository(signed, key, tools())
        try:
            if check:
                stages.check(work)
            place = repository.publish(store, name, work, whole)
        finally:
            remove_tree(work)
    return BuiltDistro(place, name, key.fingerprint, made, total, changed=True)


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
    return identity.distro_key([*loaded.files, lock_path(loaded)], texts, key.fingerprint)


class _Stages:
    """The stages of one build."""

    def __init__(
        self, loaded: LoadedDistro, lock: Lock, store: Path, listener: events.Listener
    ) -> None:
        self._loaded = loaded
        self._lock = lock
        self._store = store
        self._blobs = Blobs(store / "blobs")
        self._listener = listener

    def fetch(self, origins: Origins) -> None:
        pins = self._lock.packages
        missing = [pin for pin in pins if not self._blobs.has(pin.digest)]
        if not missing:
            return
        with _Step(self._listener, "fetch", "upstream packages") as step:
            total = sum(pin.size for pin in missing)
            here: dict[str, int] = {}

            def heard(event: FetchEvent) -> None:
                if event.state in (FetchState.PROGRESS, FetchState.DONE):
                    here[event.wanted.digest] = event.received
                    step.tell(event.wanted.label, sum(here.values()), total, "bytes")

            fetch_pins(pins, self._blobs, origins, heard)

    def plan(self, sources: identity.SourceFiles) -> list[_Job]:
        """What is to be made, with its key. Raises DockyardError for declarations that fit
        nothing.
        """
        (self._store / "converted").mkdir(parents=True, exist_ok=True)
        jobs = [*self._conversions(sources), *self._own(sources)]
        return sorted(jobs, key=lambda job: (-job.weight, job.name))

    def _conversions(self, sources: identity.SourceFiles) -> list[_Job]:
        loaded, facts = self._loaded, self._facts()
        pins = {pin.name: pin for pin in self._lock.packages}
        imported = {
            upstream: Imported(
                declaration.rename or upstream,
                read_deb(self._blobs.path(pins[upstream].digest)).control,
                declaration,
            )
            for _, upstream, declaration in loaded.imports()
        }
        mapper = RelationMapper(imported.values(), loaded.distro.drop_requires)
        jobs: list[_Job] = []
        problems: list[Problem] = []
        for component, upstream, declaration in loaded.imports():
            package, where = imported[upstream], loaded.positions.get(component)
            strict = len(declaration.import_) <= 1
            try:
                scriptlets, triggers = resolve(declaration.scriptlets, loaded.scriptlets)
                relations = mapper.relations(package)
            except ValueError as error:
                problems.append(Problem("distro.invalid", f"{component}: {error}", where))
                continue
            for key, name in mapper.unused_drops(package) if strict else ():
                what = f"{component}: `{key}` names {name}, which {upstream} does not have"
                problems.append(Problem("distro.unused-declaration", what, where, fix="remove it"))
            conversion = Conversion(
                name=package.name,
                deb=self._blobs.path(pins[upstream].digest),
                declaration=declaration,
                relations=relations,
                scriptlets=scriptlets,
                triggers=triggers,
                facts=facts,
                directory=loaded.directory,
                where=where,
                strict=strict,
            )
            key = identity.conversion_key(conversion, pins[upstream].digest, sources)
            jobs.append(_Job(key, self._converted(key), conversion, pins[upstream].size))
        if problems:
            raise DockyardError(*problems)
        return jobs

    def _own(self, sources: identity.SourceFiles) -> list[_Job]:
        loaded, jobs, problems = self._loaded, list[_Job](), list[Problem]()
        for package in loaded.packages:
            where = loaded.positions.get(package.name)
            try:
                scriptlets, triggers = resolve(package.scriptlets, loaded.scriptlets)
            except ValueError as error:
                problems.append(Problem("distro.invalid", f"{package.name}: {error}", where))
                continue
            own = OwnPackage(package, scriptlets, triggers, self._facts(), loaded.directory, where)
            key = identity.own_key(own, sources)
            jobs.append(_Job(key, self._converted(key), own, 0))
        if problems:
            raise DockyardError(*problems)
        return jobs

    def _facts(self) -> DistroFacts:
        distro = self._loaded.distro
        title = f"{self._loaded.title} {distro.version}"
        vendor = distro.vendor or self._loaded.title
        return DistroFacts(title, vendor, self._loaded.epoch, distro.drop, distro.keep)

    def _converted(self, key: str) -> Path:
        return self._store / "converted" / f"{key}.rpm"

    def make(self, jobs: Sequence[_Job]) -> int:
        """Make what is not there yet; gives their number."""
        missing = [job for job in jobs if not job.out.is_file()]
        if not missing:
            return 0
        with _Step(self._listener, "convert", f"{len(missing)} packages") as step:
            count = 0

            def done(job: _Job) -> None:
                nonlocal count
                count += 1
                step.tell(job.name, count, len(missing), "packages")

            results = each(_run, missing, done=done)
            problems = [problem for result in results for problem in result]
            if problems:
                raise DockyardError(*sorted(problems, key=lambda problem: problem.what))
        return len(missing)

    def sign(self, jobs: Sequence[_Job], key: SigningKey) -> list[tuple[str, Path]]:
        """(file name, signed file) of every package."""
        directory = self._store / "signed" / key.fingerprint
        directory.mkdir(parents=True, exist_ok=True)
        signed = []
        with _Step(self._listener, "sign", f"{len(jobs)} packages"):
            for job in jobs:
                out = directory / f"{job.key}.rpm"
                if not out.is_file():
                    part = out.with_suffix(f".{os.getpid()}.part")
                    with part.open("wb") as file:
                        sign(job.out, file, key.secret)
                    part.rename(out)
                header = read_package(out)
                evr = header.evr.partition(":")[2] if ":" in header.evr else header.evr
                signed.append((f"{header.name}-{evr}.{header.architecture}.rpm", out))
        return sorted(signed)

    def repository(self, signed: Sequence[tuple[str, Path]], key: SigningKey, tools: Tools) -> Path:
        name, epoch = self._loaded.distro.name, self._loaded.epoch
        with _Step(self._listener, "repository", f"metadata of {len(signed)} packages"):
            return repository.assemble(self._store, name, signed, key, epoch, tools)

    def check(self, work: Path) -> None:
        with _Step(self._listener, "check", "relations and file conflicts"):
            problems = checks.check_repository(work, self._loaded.positions)
            if problems:
                raise DockyardError(*problems)


def _run(job: _Job) -> tuple[Problem, ...]:
    """Make one package, in a worker."""
    if isinstance(job.work, Conversion):
        return convert(job.work, job.out)
    return make(job.work, job.out)


class _Step:
    """Tells a listener of one stage."""

    def __init__(self, listener: events.Listener, step: str, title: str) -> None:
        self._listener = listener
        self._step = f"distro.{step}"
        self._title = f"{step} {title}"
        self._started = 0.0

    def __enter__(self) -> _Step:
        self._started = monotonic()
        self._listener(events.StepStarted(self._step, self._title, ""))
        return self

    def tell(self, note: str, done: int, total: int, unit: str) -> None:
        self._listener(events.StepProgress(self._step, note, done, total, unit))

    def __exit__(self, kind: object, *_: object) -> None:
        seconds = monotonic() - self._started
        ending = events.StepFailed if kind else events.StepFinished
        self._listener(ending(self._step, self._title, seconds))
