"""The files that a lock pins: fetched, checked, and given as local paths.

A file pinned by digest is taken from the blobs or fetched into them. One pinned by content is
used where its repository has it. Where packages are to be verified, the file must carry a
signature by a key that the lock records, and be what that signature covers. All that is wrong is
reported together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pysequoia

from dockyard.errors import DockyardError, Position, Problem, Problems
from dockyard.host import stopping
from dockyard.host.network import TransferFailed, url_text
from dockyard.model.packages import Lock, LockedRepository, PackageKind, Pin, Repository
from dockyard.packages.access import Access
from dockyard.packages.content_pins import local_file
from dockyard.packages.fetch import Wanted, fetch
from dockyard.packages.rpm import keys
from dockyard.packages.rpm.mirrors import Mirrors, join
from dockyard.packages.rpm.reader import RpmFile, content_digest, opened, read_package
from dockyard.packages.rpm.repository import find_mirrors
from dockyard.packages.rpm.signature import check_digests, signers

_REFRESH = "move the pin with: dockyard lock --refresh-missing"


def resolve_files(
    lock: Lock,
    repositories: Sequence[Repository],
    access: Access,
    where: Position | str | None = None,
) -> Mapping[Pin, Path]:
    """The local path of every RPM that a lock pins, each checked.

    where: the lock's file, for errors. Mirrors are looked up only when a file is missing.
    Raises DockyardError: `fetch.gone`, `fetch.mirror-down`, `fetch.digest-mismatch`,
    `lock.digest-mismatch` (of content), `lock.bad-signature`, `lock.no-repository`.
    """
    return _Resolution(lock, repositories, access, where).run()


@dataclass(frozen=True, slots=True)
class _Trust:
    """What a repository's packages must be signed with."""

    certificates: tuple[pysequoia.Cert, ...]
    recorded: frozenset[str]


class _Resolution:
    def __init__(
        self,
        lock: Lock,
        repositories: Sequence[Repository],
        access: Access,
        where: Position | str | None,
    ) -> None:
        self._pins = [pin for pin in lock.packages if pin.kind is PackageKind.RPM]
        self._rules = {each.id: each for each in lock.repositories}
        self._known = {each.id: each for each in repositories}
        self._access = access
        self._where = where
        self._problems = Problems()
        self._mirrors: dict[str, Mirrors] = {}

    def run(self) -> dict[Pin, Path]:
        for name in sorted({pin.repository for pin in self._pins} - self._known.keys()):
            what = f"the lock has packages of repository {name}, which is not declared"
            fix = "declare it again, or make the lock anew with: dockyard lock"
            self._problems.add("lock.no-repository", what, self._where, fix=fix)
        self._problems.raise_any()
        self._fetch()
        trust = self._trust()
        found: dict[Pin, Path] = {}
        with ThreadPoolExecutor(2) as pool:
            futures = [
                pool.submit(self._file, pin, trust.get(pin.repository)) for pin in self._pins
            ]
            for pin, future in zip(self._pins, futures, strict=True):
                try:
                    if path := future.result():
                        found[pin] = path
                except DockyardError as error:
                    self._problems.extend(error.problems)
        self._problems.raise_any()
        return found

    def _fetch(self) -> None:
        """Bring what is pinned by digest and not there."""
        blobs = self._access.blobs
        wanted = []
        for pin in self._pins:
            if pin.digest and not blobs.has(pin.digest):
                urls = tuple(join(base, pin.path) for base in self._bases(pin.repository))
                wanted.append(Wanted(pin.digest, pin.size, urls, pin.nevra, self._where))
        try:
            fetch(
                wanted,
                blobs,
                progress=self._access.progress,
                offline=self._access.offline,
                network=self._access.network,
            )
        except DockyardError as error:
            self._problems.extend(error.problems)

    def _bases(self, name: str) -> tuple[str, ...]:
        if name not in self._mirrors:
            try:
                self._mirrors[name] = find_mirrors(self._known[name], self._access.network)
            except DockyardError as error:
                self._problems.extend(error.problems)
                self._mirrors[name] = Mirrors(())
        return self._mirrors[name].bases

    def _trust(self) -> dict[str, _Trust]:
        """The keys of the repositories whose packages are to be verified."""
        found = {}
        for name in sorted({pin.repository for pin in self._pins}):
            rule = self._rules.get(name, LockedRepository(name))
            if not (rule.check_packages or self._known[name].check_packages):
                continue
            try:
                certificates = keys.load(self._known[name], self._access, rule.keys)
            except DockyardError as error:
                self._problems.extend(error.problems)
                continue
            recorded = frozenset(rule.keys or keys.fingerprints(certificates))
            found[name] = _Trust(certificates, recorded)
        return found

    def _file(self, pin: Pin, trust: _Trust | None) -> Path | None:
        """One checked file; None when it could not be fetched, which is noted already."""
        stopping.check()
        package: RpmFile | None = None
        if pin.content:
            package = self._by_content(pin)
            path = package.path
        else:
            path = self._access.blobs.path(pin.digest)
        if not path.is_file():
            return None
        if trust:
            where = self._known[pin.repository].position or self._where
            _verify(pin, package or path, trust, where)
        return path

    def _by_content(self, pin: Pin) -> RpmFile:
        """The file of a pin of content, from its repository."""
        bases = self._bases(pin.repository)
        path = local_file(pin.path, bases) or self._download(pin, bases)
        package = read_package(path)
        found = content_digest(package)
        if found != pin.content:
            raise DockyardError(
                Problem(
                    "lock.digest-mismatch",
                    f"{pin.nevra} is not the package that was pinned",
                    self._where,
                    why=f"its content was {pin.content}, {path} has {found}",
                    fix="build its repository from what it was built from when the lock was "
                    f"made, or {_REFRESH}",
                )
            )
        return package

    def _download(self, pin: Pin, bases: Sequence[str]) -> Path:
        failures = []
        gone = True
        for base in bases:
            if base.startswith("file://"):
                failures.append(f"{base}{pin.path}: there is no such file")
                continue
            try:
                data = self._access.network.read(join(base, pin.path))
                return self._access.blobs.path(self._access.blobs.add_bytes(data))
            except TransferFailed as error:
                gone = gone and error.gone
                failures.append(f"{url_text(base + pin.path)}: {error.why}")
        code, what = "fetch.mirror-down", f"{pin.nevra} could not be fetched"
        fix = "check the network and the proxy settings, and run the command again"
        if gone:
            code, what = "fetch.gone", f"{pin.nevra} is no longer in repository {pin.repository}"
            fix = f"build the repository from what the lock was made from, or {_REFRESH}"
        raise DockyardError(Problem(code, what, self._where, fix=fix, excerpt=tuple(failures)))


def _verify(pin: Pin, file: RpmFile | Path, trust: _Trust, where: Position | str | None) -> None:
    """Check a package's signature, and that the package is what the signature covers.

    where: the repository is declared.
    """
    what = f"{pin.nevra} is not signed by a key of repository {pin.repository}"
    fix = "do not install it before you know why; check the repository's gpgkey"
    try:
        package = opened(file)
        found = signers(package, trust.certificates)
        check_digests(package)
    except DockyardError as error:
        why = error.problems[0].why
        problem = Problem("lock.bad-signature", what, where, why=why, fix=fix)
        raise DockyardError(problem) from None
    if trust.recorded.isdisjoint(found):
        why = "it has no signature" if not found else f"it is signed by {', '.join(found)}"
        raise DockyardError(Problem("lock.bad-signature", what, where, why=why, fix=fix))
