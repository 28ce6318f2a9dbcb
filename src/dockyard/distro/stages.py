"""The stages of a distribution's build: fetch, plan, convert, sign, assemble, check.

Every stage keeps what it finished, under names that say what it was made of, so that a build that
was stopped goes on where it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dockyard.distro import check as checks
from dockyard.distro import convert, identity, own, repository
from dockyard.distro.convert import Conversion
from dockyard.distro.keys import SigningKey
from dockyard.distro.load import LoadedDistro
from dockyard.distro.lock import pinned_imports
from dockyard.distro.making import DistroFacts, make
from dockyard.distro.own import OwnPackage
from dockyard.distro.relations import Imported, RelationMapper, declared
from dockyard.distro.scriptlets import resolve
from dockyard.distro.undeclared import undeclared
from dockyard.engine import events
from dockyard.errors import DockyardError, Problem
from dockyard.host.clock import monotonic
from dockyard.host.files import part_of, remove_all_parts
from dockyard.host.sandbox import Tools
from dockyard.host.workers import each
from dockyard.model.packages import Lock
from dockyard.packages.blobs import Blobs
from dockyard.packages.deb.package import read_deb
from dockyard.packages.deb.pins import fetch_pins
from dockyard.packages.deb.sources import Origins
from dockyard.packages.fetch import FetchEvent, FetchState
from dockyard.packages.rpm.reader import read_package
from dockyard.packages.rpm.signature import sign

_NOT_THERE = "not in the store"
_CHANGED = "new or changed"
_BEFORE = "before it is published"


@dataclass(frozen=True, slots=True)
class Job:
    """One package to be made, and where."""

    key: str
    out: Path
    work: Conversion | OwnPackage
    weight: int

    @property
    def name(self) -> str:
        return self.work.name


class Stages:
    """The stages of one build. remarks: warnings, known once it is planned."""

    def __init__(
        self, loaded: LoadedDistro, lock: Lock, store: Path, listener: events.Listener
    ) -> None:
        self._loaded = loaded
        self._lock = lock
        self._store = store
        self._blobs = Blobs.of_store(store)
        self._listener = listener
        self.remarks: tuple[Problem, ...] = ()

    def fetch(self, origins: Origins) -> None:
        pins = self._lock.packages
        missing = [pin for pin in pins if not self._blobs.has(pin.digest)]
        if not missing:
            return
        with _Step(
            self._listener, "fetch", f"{len(missing)} upstream packages", _NOT_THERE
        ) as step:
            total = sum(pin.size for pin in missing)
            here: dict[str, int] = {}

            def heard(event: FetchEvent) -> None:
                if event.state in (FetchState.PROGRESS, FetchState.DONE):
                    here[event.wanted.digest] = event.received
                    step.tell(event.wanted.label, sum(here.values()), total, "bytes")

            try:
                fetch_pins(pins, self._blobs, origins, heard)
            except DockyardError as error:
                raise DockyardError(*map(self._mended_here, error.problems)) from error

    def _mended_here(self, problem: Problem) -> Problem:
        """What is gone from the archive is mended by the distribution's lock, not by an image's."""
        if problem.code != "fetch.gone":
            return problem
        command = f"dockyard distro lock --refresh-missing {self._loaded.directory}"
        fix = f"name a mirror that has it with --debian-mirror, or move the pin with: {command}"
        return replace(problem, fix=fix)

    def plan(self, sources: identity.SourceFiles) -> list[Job]:
        """What is to be made, with its key. Raises DockyardError for declarations that fit
        nothing.
        """
        (self._store / "converted").mkdir(parents=True, exist_ok=True)
        remove_all_parts(self._store / "converted")
        jobs = [*self._conversions(sources), *self._own(sources)]
        return sorted(jobs, key=lambda job: (-job.weight, job.name))

    def _conversions(self, sources: identity.SourceFiles) -> list[Job]:
        loaded, facts = self._loaded, self._facts()
        pinned = pinned_imports(loaded, self._lock)
        debs = [read_deb(self._blobs.path(item.pin.digest)) for item in pinned]
        packages = [
            Imported(item.name, deb.control, item.declaration)
            for item, deb in zip(pinned, debs, strict=True)
        ]
        mapper = RelationMapper(packages, loaded.distro.drop_requires)
        jobs: list[Job] = []
        problems: list[Problem] = []
        for item, package in zip(pinned, packages, strict=True):
            where, declaration = loaded.positions.get(item.component), item.declaration
            try:
                scriptlets, triggers = resolve(declaration.scriptlets, loaded.scriptlets)
                relations = mapper.relations(package)
            except ValueError as error:
                problems.append(Problem("distro.invalid", f"{item.component}: {error}", where))
                continue
            for key, name in mapper.unused_drops(package) if item.strict else ():
                what = (
                    f"{item.component}: `{key}` names {name}, which {item.pin.name} does not have"
                )
                problems.append(Problem("distro.unused-declaration", what, where, fix="remove it"))
            conversion = Conversion(
                name=item.name,
                deb=self._blobs.path(item.pin.digest),
                declaration=declaration,
                relations=relations,
                scriptlets=scriptlets,
                triggers=triggers,
                facts=facts,
                directory=loaded.directory,
                where=where,
                strict=item.strict,
            )
            key = identity.conversion_key(conversion, item.pin.digest, sources)
            jobs.append(Job(key, self._converted(key), conversion, item.pin.size))
        if problems:
            raise DockyardError(*problems)
        self.remarks = undeclared(loaded, zip(pinned, debs, strict=True))
        return jobs

    def _own(self, sources: identity.SourceFiles) -> list[Job]:
        loaded, jobs, problems = self._loaded, list[Job](), list[Problem]()
        for package in loaded.packages:
            where = loaded.positions.get(package.name)
            try:
                scriptlets, triggers = resolve(package.scriptlets, loaded.scriptlets)
                relations = declared(package)
            except ValueError as error:
                problems.append(Problem("distro.invalid", f"{package.name}: {error}", where))
                continue
            order = OwnPackage(
                package=package,
                relations=relations,
                scriptlets=scriptlets,
                triggers=triggers,
                facts=self._facts(),
                directory=loaded.directory,
                where=where,
            )
            key = identity.own_key(order, sources)
            jobs.append(Job(key, self._converted(key), order, 0))
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

    def make(self, jobs: Sequence[Job]) -> int:
        """Make what is not there yet; gives their number."""
        missing = [job for job in jobs if not job.out.is_file()]
        if not missing:
            return 0
        with _Step(self._listener, "convert", f"{len(missing)} packages", _CHANGED) as step:
            count = 0

            def done(job: Job) -> None:
                nonlocal count
                count += 1
                step.tell(job.name, count, len(missing), "packages")

            results = each(_run, missing, done=done)
            problems = [problem for result in results for problem in result]
            if problems:
                raise DockyardError(*sorted(problems, key=lambda problem: problem.what))
        return len(missing)

    def sign(self, jobs: Sequence[Job], key: SigningKey) -> list[tuple[str, Path]]:
        """(file name, signed file) of every package."""
        directory = self._store / "signed" / key.fingerprint
        directory.mkdir(parents=True, exist_ok=True)
        remove_all_parts(directory)
        signed = []
        with _Step(self._listener, "sign", f"{len(jobs)} packages", _CHANGED):
            for job in jobs:
                out = directory / f"{job.key}.rpm"
                if not out.is_file():
                    part = part_of(out)
                    with part.open("wb") as file:
                        sign(job.out, file, key.secret)
                    part.rename(out)
                header = read_package(out)
                evr = header.evr.partition(":")[2] if ":" in header.evr else header.evr
                signed.append((f"{header.name}-{evr}.{header.architecture}.rpm", out))
        return sorted(signed)

    def repository(self, signed: Sequence[tuple[str, Path]], key: SigningKey, tools: Tools) -> Path:
        name, epoch = self._loaded.distro.name, self._loaded.epoch
        remove_all_parts(self._store / "repositories")
        with _Step(self._listener, "index", f"{len(signed)} packages", _CHANGED):
            return repository.assemble(self._store, name, signed, key, epoch, tools)

    def check(self, work: Path) -> None:
        with _Step(self._listener, "check", "relations and file conflicts", _BEFORE):
            problems = checks.check_repository(work, self._loaded.places())
            if problems:
                raise DockyardError(*problems)


def _run(job: Job) -> tuple[Problem, ...]:
    """Make one package, in a worker."""
    if isinstance(job.work, Conversion):
        return make(job.work, convert.build, job.out)
    return make(job.work, own.build, job.out)


class _Step:
    """Tells a listener of one stage."""

    def __init__(self, listener: events.Listener, step: str, title: str, reason: str) -> None:
        self._listener = listener
        self._step = f"distro.{step}"
        self._title = f"{step} {title}"
        self._reason = reason
        self._started = 0.0

    def __enter__(self) -> _Step:
        self._started = monotonic()
        self._listener(events.StepStarted(self._step, self._title, self._reason))
        return self

    def tell(self, note: str, done: int, total: int, unit: str) -> None:
        self._listener(events.StepProgress(self._step, note, done, total, unit))

    def __exit__(self, kind: object, *_: object) -> None:
        seconds = monotonic() - self._started
        ending = events.StepFailed if kind else events.StepFinished
        self._listener(ending(self._step, self._title, seconds))
