"""Installs Debian packages into an empty tree, by the dpkg of these packages themselves.

The order is that of debootstrap(8):

1. The packages that others must find at work when they are unpacked come first: the essential ones
   and what any package depends on in advance (Pre-Depends), with all that these depend on. Their
   files are laid out by tar, so that there is a shell, a dpkg and its helpers.
2. dpkg installs the same packages over these files, so that their scripts run.
3. dpkg installs all others.

dpkg and the maintainer scripts run in the sandbox, with the tree as their root and no network.
Nobody is asked anything (debconf(7)), no service is started (`policy-rc.d`, and a start-stop-daemon
that does nothing, as debootstrap has it), and no initrd is made: images get one of our own. What
was left to differ from run to run, and the times, are settled by `finish`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile

from dockyard.errors import DockyardError, Problem
from dockyard.host import stopping
from dockyard.host.in_root import InRoot
from dockyard.host.process import Completed
from dockyard.host.sandbox import Tools, run_in_tree
from dockyard.install.compose import MOUNT_POINTS
from dockyard.install.deb_database import INSTALLED, known_packages
from dockyard.install.deb_first_boot import prepare_first_boot
from dockyard.model.architecture import Architecture
from dockyard.model.family import Packaging
from dockyard.packages.deb.package import DebPackage, read_deb
from dockyard.packages.deb.relations import relations
from dockyard.packages.deb.unpack import MERGED

DPKG = ("/usr/bin/dpkg", "--force-unsafe-io")
PACKAGES_INSIDE = "/run/packages"
_STAND_INS = "/run/stand-ins"
POLICY = "/usr/sbin/policy-rc.d"
NO_SERVICE = b"#!/bin/sh\nexit 101\n"
_NOTHING = b"#!/bin/sh\nexit 0\n"
ENVIRONMENT: Mapping[str, str] = {
    "DEBIAN_FRONTEND": "noninteractive",
    "DEBCONF_NONINTERACTIVE_SEEN": "true",
    "DEBCONF_NOWARNINGS": "yes",
    "APT_LISTCHANGES_FRONTEND": "none",
    "HOME": "/root",
    # initramfs-tools and dracut make no initrd for a kernel that is installed with it.
    "INITRD": "No",
    "LC_ALL": "C.UTF-8",
    "PATH": f"{_STAND_INS}:/usr/sbin:/usr/bin:/sbin:/bin",
    "SYSTEMD_OFFLINE": "1",
    "TMPDIR": "/tmp",
}
_SET_UP = re.compile(r"Setting up \S+ \(")
_EXCERPT = 25


def install(
    packages: Mapping[str, Path],
    root: Path,
    tools: Tools,
    epoch: int,
    packaging: Packaging,
    architecture: Architecture,
    *,
    installed: Callable[[int], None] | None = None,
) -> None:
    """Install packages into an empty directory.

    packages: .deb files by what messages call them, with all that any of them depends on. root: of
    the tree, root's; call `namespace.enter()` before. epoch: seconds, the time that scripts are
    told. installed: told how many packages are set up, as they come. Raises DockyardError:
    `deb.malformed`, `tree.package-failed`.
    """
    opened = {label: read_deb(path) for label, path in sorted(packages.items())}
    first = come_first({label: each.control for label, each in opened.items()})
    _make_directories(root, packaging, architecture)
    count = Count(installed)
    with InRoot(root) as inside, TemporaryDirectory(prefix=".packages-", dir=root.parent) as name:
        place = Path(name)
        place.chmod(0o755)
        debs, read = shown(opened, place)
        _lay_out([debs[label] for label in first], root, tools)
        inside.write(POLICY, NO_SERVICE, mode=0o755)
        env = {**ENVIRONMENT, "SOURCE_DATE_EPOCH": str(epoch)}

        def dpkg(options: Sequence[str], labels: Iterable[str]) -> None:
            stopping.check()
            named = [f"{PACKAGES_INSIDE}/{label}.deb" for label in labels]
            if named:
                argv = [*DPKG, *options, "--install", *named]
                done = run_in_tree(root, argv, env=env, check=False, read=read, told=count)
                if done.status:
                    raise DockyardError(failed(done))

        # These need one another, and each must find the others' files, which are there.
        dpkg(["--force-depends"], first)
        dpkg([], [label for label in opened if label not in first])
        if inside.read(POLICY) == NO_SERVICE:
            inside.remove(POLICY)
        prepare_first_boot(inside)
    _require_installed(root, packaging, opened.values())


def come_first(packages: Mapping[str, Mapping[str, str]]) -> tuple[str, ...]:
    """The labels of the packages that others must find at work, sorted. packages: their control
    fields.
    """
    providing: dict[str, list[str]] = {}
    for label, package in packages.items():
        providing.setdefault(package["Package"], []).append(label)
        for name in _names(package, "Provides"):
            providing.setdefault(name, []).append(label)
    pending = [label for label, each in packages.items() if each.get("Essential") == "yes"]
    pending += [
        label
        for each in packages.values()
        for name in _names(each, "Pre-Depends")
        for label in providing.get(name, ())
    ]
    chosen = set(pending)
    while pending:
        package = packages[pending.pop()]
        for name in (*_names(package, "Pre-Depends"), *_names(package, "Depends")):
            new = [label for label in providing.get(name, ()) if label not in chosen]
            chosen.update(new)
            pending += new
    return tuple(sorted(chosen))


def _names(package: Mapping[str, str], field: str) -> Iterator[str]:
    for alternatives in relations(package.get(field, "")):
        yield from (each.name for each in alternatives)


def _make_directories(root: Path, packaging: Packaging, architecture: Architecture) -> None:
    """What is there before any package: merged /usr, where the kernel is found, and a database."""
    with InRoot(root) as inside:
        for name in MERGED:
            if name != "lib64" or architecture is Architecture.X86_64:
                inside.make_directories(f"/usr/{name}")
                inside.symlink(f"/{name}", f"usr/{name}")
        for name, mode in MOUNT_POINTS:
            inside.make_directories(f"/{name}", mode=mode)
        for name in ("alternatives", "info", "parts", "triggers", "updates"):
            inside.make_directories(f"{packaging.database}/{name}")
        for name in ("status", "available"):
            inside.write(f"{packaging.database}/{name}", b"")


def _lay_out(packages: Sequence[Path], root: Path, tools: Tools) -> None:
    """Unpack the files of packages, without their scripts. Where a package has a directory and the
    tree has a link to one, the link stays.
    """
    argv = ["/usr/bin/tar", "--extract", "--preserve-permissions", "--numeric-owner"]
    argv += ["--keep-directory-symlink", "--ignore-zeros", f"--directory={root}"]
    with TemporaryFile(dir=root.parent) as joined:
        for package in packages:
            for piece in read_deb(package).tar():
                joined.write(piece)
        joined.seek(0)
        tools.run(argv, write=[root], stdin=joined)


def shown(
    packages: Mapping[str, DebPackage], place: Path
) -> tuple[Mapping[str, Path], Sequence[tuple[Path, str]]]:
    """The packages by their labels, decompressed below a directory; and what the sandbox sees of it
    beside the tree, with the paths there: the packages and stand-ins.
    """
    debs, stand_ins = place / "packages", place / "stand-ins"
    for directory in (debs, stand_ins):
        directory.mkdir()
        directory.chmod(0o755)
    files = {label: debs / f"{label}.deb" for label in packages}

    def write(label: str) -> None:
        stopping.check()
        packages[label].write_plain(files[label])
        files[label].chmod(0o644)

    with ThreadPoolExecutor() as pool:
        list(pool.map(write, packages))
    daemon = stand_ins / "start-stop-daemon"
    daemon.write_bytes(_NOTHING)
    daemon.chmod(0o755)
    return files, ((debs, PACKAGES_INSIDE), (stand_ins, _STAND_INS))


class Count:
    """Counts packages in what dpkg says."""

    def __init__(self, told: Callable[[int], None] | None) -> None:
        self._told = told
        self._done = 0

    def __call__(self, line: str) -> None:
        if _SET_UP.match(line):
            self._done += 1
            if self._told:
                self._told(self._done)


def failed(done: Completed) -> Problem:
    lines = [*_lines(done.stdout), *_lines(done.stderr)]
    named = [line for line in lines if line.startswith(("dpkg: error", "dpkg: dependency"))]
    return Problem(
        "tree.package-failed",
        "dpkg could not install or remove the packages",
        why=named[0].removeprefix("dpkg: ") if named else f"it ended with status {done.status}",
        fix="what it said last is below: a package is at fault, or lacks one that it needs; leave "
        "it out, or take another version",
        excerpt=tuple(lines[-_EXCERPT:]),
    )


def _lines(data: bytes) -> list[str]:
    return [line for line in data.decode(errors="replace").splitlines() if line.strip()]


def _require_installed(root: Path, packaging: Packaging, packages: Iterable[DebPackage]) -> None:
    """Raise DockyardError unless dpkg has these packages installed in full, and no others."""
    known = {each.label: each.status for each in known_packages(root, packaging.database)}
    wanted = {
        "_".join(each.control[key] for key in ("Package", "Version", "Architecture"))
        for each in packages
    }
    odd = [
        f"{label}: {known.get(label, 'not installed')}"
        for label in sorted(wanted | known.keys())
        if label not in wanted or known.get(label) != INSTALLED
    ]
    if odd:
        raise DockyardError(
            Problem(
                "tree.package-failed",
                "dpkg ended without a complaint, and has not installed what it was told to",
                fix="a package's script installs or removes others; leave that package out",
                excerpt=tuple(odd[:_EXCERPT]),
            )
        )
