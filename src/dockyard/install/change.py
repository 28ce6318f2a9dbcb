"""Changes the packages of a tree that exists: installs, updates, installs beside, and removes.

What is to change was decided before; rpm carries it out. One transaction has all that its command
can put into one: `rpm -U` installs and updates, and removes what a package that comes obsoletes. So
what is to go is obsoleted, version by version, by a package without files that requires all that
come, and is therefore the last of them: removals follow the installations, in rpm's own order and
with their scriptlets. That package is taken out of the database afterwards. Packages of which other
versions stay are installed by a transaction of their own (`rpm -i`); and what no obsoletion can
tell apart, one architecture of two, is removed by one (`rpm -e`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from dockyard.errors import DockyardError, Problem
from dockyard.host.sandbox import Tools
from dockyard.install import rpmdb
from dockyard.install.rpm import Count, InstallReport, shown, transaction
from dockyard.install.rpmdb import Backend, Installed
from dockyard.packages.rpm.contents import RpmPackage, RpmRelation, Sense
from dockyard.packages.rpm.reader import read_package
from dockyard.packages.rpm.writer import write_package

_REMOVER = "dockyard-removals"
_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Database:
    """Where a tree has its database of packages, and its kind."""

    directory: str
    backend: Backend = Backend.SQLITE


@dataclass(frozen=True, slots=True)
class _Name:
    """A package as rpm prints it. evr: with its epoch, if that is not 0."""

    name: str
    evr: str
    arch: str

    @staticmethod
    def of(nevra: str) -> _Name:
        rest, _, arch = nevra.rpartition(".")
        name, version, release = rest.rsplit("-", 2)
        return _Name(name, f"{version}-{release}", arch)

    @staticmethod
    def installed(found: Installed) -> _Name:
        name, epoch, version, release, arch = (part.decode() for part in found[:5])
        number = f"{int(epoch)}:" if int(epoch) else ""
        return _Name(name, f"{number}{version}-{release}", arch)

    def __str__(self) -> str:
        return f"{self.name}-{self.evr}.{self.arch}"


def change(
    packages: Sequence[Path],
    removed: Sequence[str],
    root: Path,
    tools: Tools,
    epoch: int,
    database: Database,
    *,
    documents: bool = True,
    done: Callable[[int], None] | None = None,
) -> InstallReport:
    """Bring packages into a tree, and remove others from it.

    packages: RPM files. removed: NEVRAs that go, those that are updated or replaced among them; of
    all others, any version stays. root: the tree; call `namespace.enter()` before. epoch: seconds,
    the time that rpm and scriptlets are told, and that is noted for what comes. documents: also
    install what is marked as documentation. done: told how many packages are in. Raises
    DockyardError when rpm refuses, a scriptlet fails, an owner is unknown, or the outcome is not
    what was asked for.
    """
    backend, dbpath = database.backend, database.directory
    before = rpmdb.installed(root, tools, epoch, dbpath, backend)
    here = {_Name.installed(each) for each in before}
    gone = {_Name.of(each) for each in removed}
    come = {path: read_package(path) for path in packages}
    stay = {(each.name, each.arch) for each in here - gone}
    names = {_Name.of(each.nevra): path for path, each in come.items()}
    beside = {name: path for name, path in names.items() if (name.name, name.arch) in stay}
    others = {name: path for name, path in names.items() if name not in beside}
    plan = _Transactions(root, tools, epoch, database, documents, Count(done))
    report = plan.run(others, beside, gone & here, here - gone)
    after = rpmdb.canonicalise(root, tools, epoch, dbpath, backend, before=before, without=_REMOVER)
    _require({_Name.installed(each) for each in after}, (here - gone) | set(names))
    return report


@dataclass(frozen=True, slots=True)
class _Transactions:
    root: Path
    tools: Tools
    epoch: int
    database: Database
    documents: bool
    count: Count

    def run(
        self,
        come: dict[_Name, Path],
        beside: dict[_Name, Path],
        gone: set[_Name],
        stay: set[_Name],
    ) -> InstallReport:
        """come: packages of which no other version stays; beside: all others."""
        said: list[str] = []
        # Where its name comes as well, rpm sees to it.
        updated = {(each.name, each.arch) for each in come}
        left = {each for each in gone if (each.name, each.arch) not in updated}
        kept = {(each.name, each.evr) for each in (*stay, *come, *beside)}
        alone = {each for each in left if (each.name, each.evr) in kept or not come}
        with TemporaryDirectory(prefix=".change-", dir=self.root.parent) as name:
            Path(name).chmod(0o755)
            if come:
                packages = list(come.values())
                if obsoleted := sorted(left - alone, key=str):
                    packages.append(_remover(Path(name), come, obsoleted))
                # Of what comes afterwards, the solver has seen that it goes together.
                trust = ["--nodeps"] if beside or alone else []
                said += self._install(["-Uv", "--ignorearch", "--oldpackage", *trust], packages)
            if beside:
                said += self._install(["-iv", *(["--nodeps"] if alone else [])], beside.values())
        if alone:
            said += self._run(["-ev", *sorted(map(str, alone))], [])
        return InstallReport(tuple(said))

    def _install(self, act: Sequence[str], packages: Iterable[Path]) -> Sequence[str]:
        without = [] if self.documents else ["--excludedocs"]
        with shown(list(packages), self.root) as (names, read):
            return self._run([*act, "--nofiledigest", *without, *names], read)

    def _run(self, argv: Sequence[str], read: Sequence[tuple[Path, str]]) -> Sequence[str]:
        return transaction(
            [*self.database.backend.option, *argv],
            self.root,
            self.tools,
            self.epoch,
            self.database.directory,
            read,
            self.count,
        ).messages


def _remover(directory: Path, come: Iterable[_Name], gone: Iterable[_Name]) -> Path:
    """Write the package that obsoletes what is to go."""
    package = RpmPackage(
        name=_REMOVER,
        version="1",
        release="1",
        summary="Obsoletes what is removed",
        license="MIT",
        requires=[
            RpmRelation(each.name, Sense.EQUAL | Sense.SCRIPT_PRE, each.evr)
            for each in sorted(come, key=str)
        ],
        provides=[RpmRelation(_REMOVER, Sense.EQUAL, "1-1")],
        obsoletes=[RpmRelation(each.name, Sense.EQUAL, each.evr) for each in gone],
    )
    path = directory / package.file_name
    with path.open("wb") as out:
        write_package(package, out)
    path.chmod(0o644)
    return path


def _require(found: set[_Name], wanted: set[_Name]) -> None:
    """Raise DockyardError when other packages are installed than should be."""
    if found == wanted:
        return
    words = [f"{each} is not there" for each in sorted(map(str, wanted - found))]
    words += [f"{each} is still there" for each in sorted(map(str, found - wanted))]
    more = len(words) - _SHOWN
    raise DockyardError(
        Problem(
            "tree.packages-differ",
            "the image has other packages than it should after they were changed",
            why="; ".join(words[:_SHOWN]) + (f"; and {more} more" if more > 0 else ""),
            fix="a scriptlet that calls rpm, or relations that rpm reads in another way than "
            "libsolv, would explain it; leave out the package",
        )
    )
