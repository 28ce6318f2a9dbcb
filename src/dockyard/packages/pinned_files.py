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

from dockyard.errors import DockyardError, Position, Problem, Problems
from dockyard.host import stopping
from dockyard.host.network import TransferFailed, url_text
from dockyard.model.packages import Lock, LockedRepository, PackageKind, Pin, RpmRepository
from dockyard.packages.access import Access
from dockyard.packages.content_pins import local_file
from dockyard.packages.fetch import Wanted, fetch
from dockyard.packages.rpm import keys
from dockyard.packages.rpm.checked import REFRESH, Trust, check_file
from dockyard.packages.rpm.mirrors import Mirrors, join
from dockyard.packages.rpm.repository import find_mirrors


@dataclass(frozen=True, slots=True)
class Located:
    """files: where the package of each pin is. trust: for repositories whose packages are to be
    verified, by whom they must be signed.
    """

    files: Mapping[Pin, Path]
    trust: Mapping[str, Trust]


def locate_files(
    lock: Lock,
    repositories: Sequence[RpmRepository],
    access: Access,
    where: Position | str | None = None,
) -> Located:
    """Fetch what is not there of what a lock pins, and say where everything is. Nothing is checked
    of what is there, see `check_file`; else as resolve_files.
    """
    return _Resolution(lock, repositories, access, where).located()


def resolve_files(
    lock: Lock,
    repositories: Sequence[RpmRepository],
    access: Access,
    where: Position | str | None = None,
) -> Mapping[Pin, Path]:
    """The local path of every RPM that a lock pins, each checked.

    where: the lock's file, for errors. Mirrors are looked up only when a file is missing.
    Raises DockyardError: `fetch.gone`, `fetch.mirror-down`, `fetch.digest-mismatch`,
    `lock.digest-mismatch` (of content), `lock.bad-signature`, `lock.no-repository`.
    """
    return _Resolution(lock, repositories, access, where).run()


class _Resolution:
    def __init__(
        self,
        lock: Lock,
        repositories: Sequence[RpmRepository],
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

    def located(self) -> Located:
        found = self._look()
        self._problems.raise_any()
        return found

    def _look(self) -> Located:
        for name in sorted({pin.repository for pin in self._pins} - self._known.keys()):
            what = f"the lock has packages of repository {name}, which is not declared"
            fix = "declare it again, or make a new lock with: dockyard lock"
            self._problems.add("lock.no-repository", what, self._where, fix=fix)
        self._problems.raise_any()
        self._fetch()
        trust = self._trust()
        files: dict[Pin, Path] = {}
        for pin in self._pins:
            try:
                path = self._by_content(pin) if pin.content else self._blob(pin)
            except DockyardError as error:
                self._problems.extend(error.problems)
                continue
            if path.is_file():  # else it could not be fetched, which is noted already
                files[pin] = path
        return Located(files, trust)

    def run(self) -> dict[Pin, Path]:
        found = self._look()

        def check(pin: Pin, path: Path) -> None:
            stopping.check()
            check_file(path, pin, found.trust.get(pin.repository), self._where)

        with ThreadPoolExecutor(2) as pool:
            futures = [pool.submit(check, pin, path) for pin, path in found.files.items()]
            for future in futures:
                try:
                    future.result()
                except DockyardError as error:
                    self._problems.extend(error.problems)
        self._problems.raise_any()
        return dict(found.files)

    def _blob(self, pin: Pin) -> Path:
        return self._access.blobs.path(pin.digest)

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

    def _trust(self) -> dict[str, Trust]:
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
            found[name] = Trust(certificates, recorded, self._known[name].position)
        return found

    def _by_content(self, pin: Pin) -> Path:
        """The file of a pin of content, from its repository."""
        bases = self._bases(pin.repository)
        return local_file(pin.path, bases) or self._download(pin, bases)

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
            fix = f"build the repository from what the lock was made from, or {REFRESH}"
        raise DockyardError(Problem(code, what, self._where, fix=fix, excerpt=tuple(failures)))
