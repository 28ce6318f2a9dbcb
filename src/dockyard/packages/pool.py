"""The packages that can be chosen: repositories loaded into libsolv, with what is left out.

Metadata that has been read once is kept in libsolv's own binary form under the identity of the
repository's contents, so loading it again takes milliseconds. Repositories are loaded in the order
of priority, cost and id, and their packages in an order of their own, so that the same
repositories give the same pool however they were declared or made.
"""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import solv

from dockyard.errors import DockyardError, Problem
from dockyard.model.family import ARCHITECTURES
from dockyard.model.packages import PackageKind, Pin, Request, RpmRepository
from dockyard.packages.rpm.modules import Modules, activate
from dockyard.packages.rpm.primary import in_order, published
from dockyard.packages.rpm.repository import Metadata
from dockyard.packages.solv_file import keep, read_kept

_CACHE_FORMAT = 1
_BY_MODULES = "name its stream in os.packages.modules, or take what the active stream has"
EXCLUDED = "is excluded"
IN_IMAGE = "in the image"


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Why a package may not be chosen, in words that follow its name, and what to do."""

    why: str
    fix: str = "take away the exclude, or the request"


class PackagePool:
    """All packages of some repositories, and which of them a request may use.

    kept: pins whose packages the repositories no longer list, with the primary.xml of just them.
    installed: what an image has, which the packages are to change. paths: those that `owners` will
    be asked for, which then are looked for all at once.
    """

    def __init__(
        self,
        opened: Sequence[Metadata],
        request: Request,
        cache: Path,
        *,
        filelists: bool = False,
        kept: Callable[[], bytes] | None = None,
        installed: Metadata | None = None,
        paths: Iterable[str] = (),
    ) -> None:
        self.pool: Any = solv.Pool()
        self.pool.setdisttype(solv.Pool.DISTTYPE_RPM)
        self.pool.setarch(ARCHITECTURES[PackageKind.RPM][request.architecture])
        self.request = request
        self.left_out: dict[int, LeftOut] = {}
        self.filelists = filelists
        self._repositories: dict[int, RpmRepository] = {}
        self._modules: list[tuple[int, Modules]] = []
        self._published: dict[int, Mapping[str, int]] = {}
        self._kept = -1
        if kept is not None:
            repo = self.pool.add_repo("")
            _add_xml(repo, kept(), "primary.xml", None)
            self._kept = repo.id
        if installed is not None:
            here = self.pool.add_repo(IN_IMAGE)
            self._load(here, installed, cache)
            self.pool.installed = here
        order = sorted(opened, key=lambda one: _rank(one.repository))
        for metadata in order:
            self._add(metadata, cache)
        self._leave_out()
        self._paths = self._required(paths)
        self.pool.addfileprovides()
        self.pool.createwhatprovides()

    def _required(self, paths: Iterable[str]) -> frozenset[str]:
        """Have libsolv find who has some files, as it does for those that packages require."""
        wanted = frozenset(paths)
        if wanted:
            asking = self.pool.add_repo("").add_solvable()
            asking.name, asking.evr, asking.arch = "", "0", "noarch"
            for path in sorted(wanted):
                asking.add_deparray(solv.SOLVABLE_REQUIRES, self.pool.Dep(path))
            self.left_out[asking.id] = LeftOut("only asks")
        return wanted

    def owners(self, path: str) -> list[Any]:
        """The packages that have a file, as far as the loaded metadata says it."""
        if path in self._paths:
            return list(self.pool.whatprovides(self.pool.Dep(path)))
        return list(self.pool.select(path, solv.Selection.SELECTION_FILELIST).solvables())

    def repository(self, solvable: Any) -> str:
        """The id of the repository that a package is in; "" for one that only the lock knows."""
        found = self._repositories.get(solvable.repo.id)
        return found.id if found else ""

    def origin(self, solvable: Any) -> str:
        """Where a package is, in words that follow its name."""
        if self.is_installed(solvable):
            return IN_IMAGE
        name = self.repository(solvable)
        return f"repository {name}" if name else "pinned before"

    def is_kept(self, solvable: Any) -> bool:
        """Whether only the lock knows a package."""
        return bool(solvable.repo.id == self._kept)

    def is_installed(self, solvable: Any) -> bool:
        """Whether the image has a package already."""
        return bool(self.pool.installed and solvable.repo.id == self.pool.installed.id)

    @property
    def installed(self) -> list[Any]:
        """The packages that the image has."""
        return list(self.pool.installed.solvables) if self.pool.installed else []

    def available(self) -> Iterable[Any]:
        """Every package that may be chosen."""
        return (each for each in self.pool.solvables if each.id not in self.left_out)

    def pin(self, solvable: Any) -> Pin:
        """The pin of a package as its repository's metadata describes it, by file digest."""
        repository = self._repositories[solvable.repo.id]
        location, _ = solvable.lookup_location()
        checksum = solvable.lookup_checksum(solv.SOLVABLE_CHECKSUM)
        if checksum is None or checksum.typestr() != "sha256":
            kind = checksum.typestr() if checksum else "no"
            what = f"repository {repository.id} has {kind} digests of its packages"
            fix = "use a repository whose metadata has sha256 digests"
            problem = Problem("repository.weak-digest", what, repository.position, fix=fix)
            raise DockyardError(problem)
        return Pin(
            name=solvable.name,
            evr=solvable.evr,
            arch=solvable.arch,
            repository=repository.id,
            path=_plain_path(location, repository),
            size=solvable.lookup_num(solv.SOLVABLE_DOWNLOADSIZE),
            digest=f"sha256:{checksum.hex()}",
            unpacked=solvable.lookup_num(solv.SOLVABLE_INSTALLSIZE) if self.installed else 0,
        )

    def _add(self, metadata: Metadata, cache: Path) -> None:
        repository = metadata.repository
        repo = self.pool.add_repo(repository.id)
        repo.priority = -repository.priority  # libsolv: the higher number wins
        repo.subpriority = -repository.cost
        self._repositories[repo.id] = repository
        self._modules.append((repository.priority, metadata.modules()))
        if self.request.before is not None:
            self._published[repo.id] = published(metadata.primary())
        self._load(repo, metadata, cache)

    def _load(self, repo: Any, metadata: Metadata, cache: Path) -> None:
        repository = metadata.repository
        filelists = metadata.filelists if self.filelists else None
        files = "-files" if filelists else ""
        name = f"{metadata.identity.replace(':', '-')}{files}.{_CACHE_FORMAT}.solv"
        kept = cache / "solv" / name
        if read_kept(repo, kept):
            return
        good = _add_xml(repo, in_order(metadata.primary()), "primary.xml", None)
        if good and filelists:
            flags = solv.Repo.REPO_EXTEND_SOLVABLES
            good = _add_xml(repo, filelists(), "filelists.xml", "FL", flags)
        if not good:
            what = f"the metadata of repository {repository.id} cannot be read"
            why = str(self.pool.errstr).encode(errors="replace").decode()
            raise DockyardError(Problem("repository.damaged", what, repository.position, why))
        with suppress(OSError):  # one that cannot be kept is no harm
            keep(repo, kept)

    def _leave_out(self) -> None:
        """Mark what architecture, excludes and includes keep from being chosen."""
        asked = self.request
        active = activate(self._modules, asked.modules, asked.wanted_by, asked.streams)
        architectures = {ARCHITECTURES[PackageKind.RPM][self.request.architecture], "noarch"}
        for repo in self.pool.repos:
            if self.pool.installed and repo.id == self.pool.installed.id:
                continue
            published = self._published.get(repo.id)
            repository = self._repositories.get(repo.id) or RpmRepository("")
            excludes = _matcher((*repository.exclude, *self.request.exclude))
            includes = _matcher(repository.include)
            lifted = repository.module_hotfixes or repo.id == self._kept
            for solvable in repo.solvables:
                if solvable.arch not in architectures:
                    self.left_out[solvable.id] = LeftOut(f"is for {solvable.arch}")
                elif not lifted and (
                    why := active.why_hidden(
                        solvable.name, solvable.evr, solvable.arch, repository.priority
                    )
                ):
                    self.left_out[solvable.id] = LeftOut(why, _BY_MODULES)
                elif excludes and repo.id != self._kept and excludes(solvable):
                    self.left_out[solvable.id] = LeftOut(EXCLUDED)
                elif includes and not includes(solvable):
                    self.left_out[solvable.id] = LeftOut("is not among the included packages")
                elif published is not None and (why := self._too_late(solvable, published)):
                    self.left_out[solvable.id] = LeftOut(why)
        if self.left_out:
            self.pool.set_disabled_list(sorted(self.left_out))

    def _too_late(self, solvable: Any, published: Mapping[str, int]) -> str:
        """Why a package may not be chosen as of the time of the request; "" if it may."""
        before = self.request.before
        assert before is not None
        checksum = solvable.lookup_checksum(solv.SOLVABLE_CHECKSUM)
        moment = published.get(checksum.hex() if checksum else "")
        if moment is None:
            return "has no time in the metadata, and packages as of a time are asked for"
        if moment > before:
            return f"was published on {_day(moment)}, after the time that is asked for"
        return ""


def _day(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d}"


def _rank(repository: RpmRepository) -> tuple[int, int, str]:
    return repository.priority, repository.cost, repository.id


def _plain_path(location: str, repository: RpmRepository) -> str:
    path = location.removeprefix("./")
    if path.startswith("/") or {"", ".", ".."} & set(path.split("/")) or "://" in path:
        what = f"repository {repository.id} lists a package at {location!r}"
        why = "a package must be below the repository's address"
        problem = Problem("repository.damaged", what, repository.position, why)
        raise DockyardError(problem)
    return path


def _matcher(globs: Sequence[str]) -> Callable[[Any], bool] | None:
    """Whether a package matches one of some globs over its name, name.arch, or parts of NEVRA."""
    if not globs:
        return None
    names = {glob for glob in globs if not set("*?[") & set(glob)}
    patterns = [glob for glob in globs if glob not in names]

    def matches(solvable: Any) -> bool:
        name, evr, arch = solvable.name, solvable.evr, solvable.arch
        short = evr.partition(":")[2] or evr
        forms = {name, f"{name}.{arch}"}
        for version in {evr, short, short.rpartition("-")[0]}:
            forms |= {f"{name}-{version}", f"{name}-{version}.{arch}"}
        if forms & names:
            return True
        return any(fnmatch.fnmatchcase(form, pattern) for pattern in patterns for form in forms)

    return matches


def _add_xml(repo: Any, data: bytes, name: str, language: str | None, flags: int = 0) -> bool:
    descriptor = os.memfd_create(name)
    try:
        with os.fdopen(os.dup(descriptor), "wb") as file:
            file.write(data)
        os.lseek(descriptor, 0, os.SEEK_SET)
        source = solv.xfopen_fd(name, descriptor)
        good = bool(repo.add_rpmmd(source, language, flags))
        source.close()
        return good
    finally:
        os.close(descriptor)


def every_pin(opened: Sequence[Metadata], cache: Path) -> list[Pin]:
    """Every package that repositories list, whether it may be chosen or not."""
    packages = PackagePool(opened, Request(()), cache)
    return [packages.pin(solvable) for solvable in packages.pool.solvables]
