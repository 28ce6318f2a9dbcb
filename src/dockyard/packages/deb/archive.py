"""A Debian archive: the signed `InRelease` of a suite and the package indexes that it names.

Layout and fields follow the Debian repository format: `dists/<suite>/InRelease` is clear-signed and
lists size and SHA256 of every index; an index is fetched by that digest and kept as a blob. The
certificates that a suite must be signed with are part of Dockyard. `Valid-Until` is not enforced:
what is chosen goes into a lock, and mirrors and snapshots of old states must stay usable.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import lru_cache
from importlib import resources

import pysequoia

from dockyard.errors import DockyardError, Problem
from dockyard.host.network import Network, TransferFailed, url_text, whole_number
from dockyard.model.family import ARCHITECTURES
from dockyard.model.packages import PackageKind
from dockyard.packages.blobs import Blobs
from dockyard.packages.deb.control import paragraphs
from dockyard.packages.deb.suite import Suite
from dockyard.packages.fetch import Progress, Wanted, fetch

__all__ = [
    "DebianArchive",
    "PackagesFile",
    "Release",
    "Suite",
    "archive_certificates",
    "read_release",
]

_INDEX_SUFFIXES = (".xz", ".gz", "")
_LIMIT = 1 << 24


@dataclass(frozen=True, slots=True)
class Release:
    """A verified InRelease file. files: path below `dists/<suite>/` → (digest, size).

    signed_by: fingerprints of the certificates, upper-case hex. revision: its Date as Unix seconds,
    "" when it says none.
    """

    suite: str
    codename: str
    files: Mapping[str, tuple[str, int]]
    signed_by: tuple[str, ...]
    revision: str = ""


@dataclass(frozen=True, slots=True)
class PackagesFile:
    """A `Packages` index that has been fetched. suffix: how the blob is compressed. revision: of
    the release that names it. plain_size: when decompressed, None when the release does not say.
    """

    suite: Suite
    digest: str
    suffix: str
    signed_by: tuple[str, ...] = ()
    revision: str = ""
    plain_size: int | None = None


@lru_cache
def archive_certificates() -> tuple[pysequoia.Cert, ...]:
    """The certificates that Debian signs its current suites with."""
    directory = resources.files("dockyard") / "data" / "debian-archive"
    texts = sorted((item.name, item.read_bytes()) for item in directory.iterdir())
    return tuple(pysequoia.Cert.from_bytes(text) for _, text in texts)


class DebianArchive:
    """An archive as its mirrors give it. Everything it returns has been verified."""

    def __init__(
        self,
        mirrors: Sequence[str],
        blobs: Blobs,
        *,
        certificates: Sequence[pysequoia.Cert] | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.mirrors = tuple(mirrors)
        self._blobs = blobs
        self._certificates = certificates
        self._progress = progress

    def release(self, suite: str) -> Release:
        """Fetch and verify a suite's InRelease, from the first mirror that has a good one.

        Raises DockyardError: `debian.bad-signature`, `debian.wrong-suite`, `debian.no-suite`.
        """
        failures: list[str] = []
        refused: DockyardError | None = None
        with Network() as network:
            for mirror in self.mirrors:
                url = f"{mirror}/dists/{suite}/InRelease"
                try:
                    return read_release(
                        network.read(url, _LIMIT), suite, url_text(url), self._trusted()
                    )
                except TransferFailed as error:
                    failures.append(f"{url_text(url)}: {error.why}")
                except DockyardError as error:
                    refused = refused or error
        if refused:
            raise refused
        raise DockyardError(
            Problem(
                code="debian.no-suite",
                what=f"the suite {suite} could not be fetched from any mirror",
                fix="check the network, or name another mirror with --debian-mirror; an image does "
                f"without it by os.packages.withoutSuites: [{suite}]",
                excerpt=tuple(failures),
            )
        )

    def packages(self, suites: Sequence[Suite]) -> list[PackagesFile]:
        """Fetch the package indexes of suites by the digests of their releases."""
        found: list[PackagesFile] = []
        wanted: list[Wanted] = []
        releases = {name: self.release(name) for name in dict.fromkeys(s.name for s in suites)}
        for suite in suites:
            release = releases[suite.name]
            path, suffix = _index_path(release, suite)
            digest, size = release.files[path]
            wanted.append(
                Wanted(digest, size, self._urls(suite, path, digest), f"{suite.id} index")
            )
            _, plain = release.files.get(path.removesuffix(suffix), ("", None))
            found.append(
                PackagesFile(suite, digest, suffix, release.signed_by, release.revision, plain)
            )
        fetch(wanted, self._blobs, progress=self._progress)
        return found

    def _trusted(self) -> Sequence[pysequoia.Cert]:
        return archive_certificates() if self._certificates is None else self._certificates

    def _urls(self, suite: Suite, path: str, digest: str) -> tuple[str, ...]:
        # By hash first: a mirror in the middle of an update still has the index of the old release.
        directory = path.rpartition("/")[0]
        by_hash = f"{directory}/by-hash/SHA256/{digest.partition(':')[2]}"
        return tuple(
            f"{mirror}/dists/{suite.name}/{name}"
            for mirror in self.mirrors
            for name in (by_hash, path)
        )


def _index_path(release: Release, suite: Suite) -> tuple[str, str]:
    architecture = ARCHITECTURES[PackageKind.DEB][suite.architecture]
    stem = f"{suite.component}/binary-{architecture}/Packages"
    for suffix in _INDEX_SUFFIXES:
        if stem + suffix in release.files:
            return stem + suffix, suffix
    raise DockyardError(
        Problem(
            code="debian.no-component",
            what=f"the suite {suite.name} has no {suite.component} for {architecture}",
            why="its release file names no such index",
            fix="correct the component or the architecture",
        )
    )


def read_release(
    text: bytes, suite: str, where: str, certificates: Sequence[pysequoia.Cert]
) -> Release:
    """Verify a clear-signed release and read it.

    suite: what it must be, by its Suite or Codename field: a good signature on another suite's
    release does not count. Raises DockyardError.
    """
    try:
        verified = pysequoia.verify(bytes=text, store=lambda ids: list(certificates))
    except (RuntimeError, ValueError) as error:
        # The library adds a backtrace of its own below the first line.
        reason = str(error).partition("\n")[0] or "it is not a signed file"
        raise DockyardError(
            Problem(
                code="debian.bad-signature",
                what=f"the release of {suite} is not signed by a key that may sign it",
                where=where,
                why=reason,
                fix="use another mirror: what this one gives must not be trusted",
            )
        ) from error
    fields = next(paragraphs((verified.bytes or b"").decode(errors="replace")), {})
    names = {fields.get("Suite", ""), fields.get("Codename", "")}
    if suite not in names:
        raise DockyardError(
            Problem(
                code="debian.wrong-suite",
                what=f"the mirror gave the release of {'/'.join(sorted(names))} for {suite}",
                where=where,
                fix="use another mirror",
            )
        )
    return Release(
        suite=suite,
        codename=fields.get("Codename", ""),
        files=_digests(fields.get("SHA256", "")),
        signed_by=tuple(sorted({sig.certificate.upper() for sig in verified.valid_sigs})),
        revision=_seconds(fields.get("Date", "")),
    )


def _seconds(date: str) -> str:
    try:
        return str(int(parsedate_to_datetime(date).timestamp()))
    except (ValueError, OverflowError):
        return ""


def _digests(text: str) -> dict[str, tuple[str, int]]:
    found: dict[str, tuple[str, int]] = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) != 3 or not re.fullmatch("[0-9a-f]{64}", words[0]):
            continue
        if (size := whole_number(words[1])) is not None:
            found[words[2]] = (f"sha256:{words[0]}", size)
    return found
