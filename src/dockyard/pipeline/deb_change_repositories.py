"""Where the packages come from that are to change in a Debian system in an image that exists.

The archives of a distribution, where the image file names one; else those that the image's own apt
takes packages from, with the keys that the image has. What the image says is somebody else's word:
an address on this machine means a place in the image there, and is refused. `--debian-mirror` comes
before the address of an archive that it names, but not before a vendor's with suites of its names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pysequoia

from dockyard.config import LoadedImage
from dockyard.distro.header import read_header
from dockyard.errors import DockyardError, Problem, Problems
from dockyard.inspection.deb_facts import TRUSTED
from dockyard.model.family import ARCHITECTURES
from dockyard.model.packages import DebRepository, PackageKind, Request
from dockyard.packages.deb.apt_sources import AptSource, sources_in
from dockyard.packages.deb.repository import deb_repositories
from dockyard.packages.deb.suite import Suite
from dockyard.packages.deb.system import DebSystem
from dockyard.packages.origins import Origins
from dockyard.packages.request import unknown_suites
from dockyard.pipeline.existing_disk import DiskSource
from dockyard.pipeline.installed_debs import KnownDebs
from dockyard.pipeline.overrides import Overrides

_FIX = "name the distribution in the image file, such as `distro: debian-13`"
_SHOWN = 8
_PLAIN = re.compile(
    r"(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9._+~-]*(/[A-Za-z0-9][A-Za-z0-9._+~-]*)*"
).fullmatch


def deb_change_repositories(
    loaded: LoadedImage,
    source: DiskSource,
    known: KnownDebs,
    overrides: Overrides,
    origins: Origins,
    store: Path,
) -> tuple[DebRepository, ...]:
    """All repositories. Raises DockyardError with what is wrong with any."""
    problems = Problems()
    if loaded.distro_path is None:
        _refuse_sources(source.family.name, overrides, problems)
        own = _Own(loaded, source, known, origins, problems)
        found = () if overrides.without_image_repositories else tuple(own.all())
        problems.raise_any()
        if not found:
            what = "the image has no archive that packages could be taken from"
            problems.add("repository.none", what, str(source.image), fix=_FIX)
        problems.raise_any()
        return found
    distro = read_header(loaded.distro_path.resolve())
    if distro.distro.kind is not PackageKind.DEB:
        what = f"{distro.distro.name} has no Debian packages, which the image is made of"
        raise DockyardError(loaded.problem("distro", "image.other-packages", what, fix=_FIX))
    problems.extend(unknown_suites(loaded, distro.distro))
    problems.raise_any()
    return deb_repositories(
        DebSystem().repositories(
            distro.distro,
            distro.directory,
            store,
            origins,
            extra=overrides.rpm_sources,
            without=loaded.image.os.packages.without_suites,
        )
    )


def refuse_time(request: Request) -> None:
    """Raise DockyardError where packages are to be chosen as of a time."""
    if request.before is not None:
        what = "Debian packages cannot be chosen as of a time"
        why = "the metadata of an archive do not say since when it has a package"
        fix = "leave the time out, and name an archive as it was then with --debian-mirror"
        raise DockyardError(Problem("build.no-snapshot-time", what, why=why, fix=fix))


def require_whole(known: KnownDebs, source: DiskSource) -> None:
    """Raise DockyardError for a system whose packages cannot be changed as it is."""
    problems = Problems()
    where = f"{source.image}:{known.place}/status"
    if unfinished := known.installed.unfinished:
        problems.add(
            "image.packages-unfinished",
            f"{len(unfinished)} packages of the image are not installed in full",
            where,
            fix="finish or remove them in the image first: `dpkg --audit` tells them",
            excerpt=tuple(unfinished[:_SHOWN]),
        )
    if malformed := known.installed.malformed:
        problems.add(
            "image.packages-malformed",
            f"dpkg's database in the image has {len(malformed)} packages that dpkg would not write",
            where,
            fix="mend the file in the image first",
            excerpt=tuple(malformed[:_SHOWN]),
        )
    own = ARCHITECTURES[PackageKind.DEB][source.architecture]
    odd = sorted(
        each for each in known.installed.labels if each.rpartition("_")[2] not in (own, "all")
    )
    if odd:
        problems.add(
            "image.foreign-packages",
            f"{len(odd)} packages of the image are for another architecture than {own}",
            where,
            why="packages are chosen for one architecture",
            fix="remove them in the image first",
            excerpt=tuple(odd[:_SHOWN]),
        )
    problems.raise_any()


def _refuse_sources(family: str, overrides: Overrides, problems: Problems) -> None:
    for path in overrides.rpm_sources:
        what = f"--rpm-source {path} is not for a system of the family {family}"
        problems.add("repository.not-rpm", what, fix="leave it out: it has Debian packages")


class _Own:
    """The repositories of an image's own apt; what is wrong with any goes to the problems."""

    def __init__(
        self,
        loaded: LoadedImage,
        source: DiskSource,
        known: KnownDebs,
        origins: Origins,
        problems: Problems,
    ) -> None:
        self._loaded = loaded
        self._source = source
        self._known = known
        self._origins = origins
        self._problems = problems

    def all(self) -> Iterator[DebRepository]:
        without = self._loaded.image.os.packages.without_suites
        found: dict[str, DebRepository] = {}
        suites: set[str] = set()
        for path, text in sorted(self._known.sources.items()):
            for source in sources_in(path, text):
                suites |= set(source.suites)
                own = ARCHITECTURES[PackageKind.DEB][self._source.architecture]
                if source.architectures and own not in source.architectures:
                    continue
                wanted = tuple(name for name in source.suites if name not in without)
                for each in self._repositories(path, source, wanted) if wanted else ():
                    first = found.setdefault(each.id, each)
                    if first.signed_by != each.signed_by:
                        self._refuse_second(path, source, each)
        for index, name in enumerate(without):
            if name not in suites:
                at = f"os.packages.withoutSuites[{index}]"
                what = f"the image's apt has no suite {name} to leave out"
                self._problems.extend([self._loaded.problem(at, "build.no-such-suite", what)])
        yield from found.values()

    def _refuse_second(self, path: str, source: AptSource, other: DebRepository) -> None:
        """Two archives whose suites have one name: neither may stand for the other."""
        uris = ", ".join(source.uris)
        what = f"{uris} has {other.suite} {other.component}, as another archive has"
        self._problems.add(
            "repository.id-twice",
            what,
            f"{self._source.image}:{path}",
            why="both would be called alike in the lock, and other keys sign them",
            fix=_FIX,
        )

    def _repositories(
        self, path: str, source: AptSource, suites: tuple[str, ...]
    ) -> Iterator[DebRepository]:
        """Those suites of an entry that count: nothing is wrong with what is left out."""
        where = f"{self._source.image}:{path}"
        if flat := [name for name in suites if name.endswith("/")]:
            what = f"the image's apt takes packages from {flat[0]}, a repository without suites"
            self._problems.add("repository.flat", what, where, fix=_FIX)
            return
        if odd := [name for name in (*suites, *source.components) if not _PLAIN(name)]:
            what = f"the image's apt takes packages from a suite or component {odd[0]!r}"
            why = "a name has letters, digits and . _ + ~ -, in parts by /"
            self._problems.add("repository.odd-name", what, where, why=why, fix=_FIX)
            return
        keys = self._keys(source, where)
        fingerprints = tuple(sorted(self._fingerprints(keys, where)))
        addresses = self._addresses(source, where)
        family, architecture = self._source.family.name, self._source.architecture
        for suite in suites:
            for component in source.components:
                named = Suite(suite, component, architecture, family)
                yield DebRepository(
                    named.id,
                    suite,
                    component,
                    architecture,
                    addresses,
                    tuple(map(str, keys)),
                    fingerprints,
                    next(iter(sorted(source.archives)), family),
                )

    def _addresses(self, source: AptSource, where: str) -> tuple[str, ...]:
        for archive in sorted(source.own_archives & set(self._origins.given)):
            return self._origins.archive(archive)
        for address in source.uris:
            if not address.startswith(("http://", "https://")):
                self._problems.add(
                    "repository.inside-image",
                    f"the image's apt takes packages from {address}",
                    where,
                    why="that is a place on the machine that the image runs on, or a protocol that "
                    "is not spoken here",
                    fix=_FIX,
                )
        return tuple(address.rstrip("/") for address in source.uris)

    def _keys(self, source: AptSource, where: str) -> list[Path]:
        """The files of the keys that count for an entry."""
        known = self._known.keys
        if not source.signed_by:
            paths = [path for path in known if path.startswith(f"{TRUSTED}/")]
        else:
            paths = source.signed_by.split() if "PGP" not in source.signed_by else [""]
        lacking = [path for path in paths if path not in known]
        if lacking or not paths:
            self._problems.add(
                "repository.no-key",
                f"the image does not have the keys of {', '.join(source.uris)}",
                where,
                why=f"it names {lacking[0]}" if lacking and lacking[0] else
                "packages are to be verified with files of keys that the image has",
                fix=_FIX,
            )  # fmt: skip
        return [known[path] for path in sorted(paths) if path in known]

    def _fingerprints(self, keys: list[Path], where: str) -> set[str]:
        found: set[str] = set()
        for key in keys:
            try:
                certificates = pysequoia.Cert.split_bytes(key.read_bytes())
                found |= {each.fingerprint.upper() for each in certificates}
            except (RuntimeError, ValueError, OSError) as error:
                reason = str(error).partition("\n")[0]
                what = "the image has a file of keys that is none"
                self._problems.extend([Problem("repository.bad-key", what, where, reason, _FIX)])
        return found
