"""Installs RPM packages into a tree with the rpm of the tools tree: one transaction, no network.

The tree may be empty or hold packages already. rpm reports two kinds of failure with a mere warning
and status 0: a scriptlet that failed, and a file whose owner does not exist (it is given to root,
and loses its set-id bits). Both are errors here. The database comes out in canonical form, see
`rpmdb`. Signatures are no matter of this module: packages are checked against the lock, and the
lock against the repository's keys, before they come here.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from dockyard.errors import DockyardError, Problem
from dockyard.host.files import make_root, readable_by_all
from dockyard.host.in_root import InRoot
from dockyard.host.process import Completed, ProcessFailed
from dockyard.host.removal import remove_tree
from dockyard.host.sandbox import Tools
from dockyard.install import rpmdb
from dockyard.install.compose import MOUNT_POINTS

_COMMAND = ("/usr/bin/rpm", "--noplugins", "--nosignature")
# rpm reads the settings of the tools, though it sees the directories of the tree.
_CONFIGURATION = Tools.inside("/usr/lib/rpm")
_SETTINGS = (
    f"--rcfile={_CONFIGURATION}/rpmrc",
    f"--macros={_CONFIGURATION}/macros:{_CONFIGURATION}/macros.d/macros.*"
    f":{_CONFIGURATION}/platform/%{{_target}}/macros",
)
# The lock says for which architecture packages are; it need not be that of the tools.
_UPGRADE = ("-U", "--ignorearch")
_PACKAGES_INSIDE = "/dev/.packages"
_SCRATCH = "/dev/.database"
_NOT_THERE = re.compile(r"^warning: (user|group) (?P<name>\S+) does not exist")
_SCRIPTLET = re.compile(r"scriptlet failed|^error: lua script failed")
# A line of -v: NAME-VERSION-RELEASE.ARCH.
_PACKAGE = re.compile(r"[^\s-]\S*-[^\s-]+-[^\s-]+\.[a-z0-9_]+")
_PROGRESS = re.compile(rf"(Verifying|Preparing) packages\.\.\.|{_PACKAGE.pattern}")
_UNPACKING = re.compile(r"^error: (unpacking of archive failed|.* install failed)")
# What rpm says before it writes anything; each line has the need of all packages before it.
_SHORT = re.compile(r"needs (\d+)([KMG])B more space on the")
_UNITS = {"K": 10, "M": 20, "G": 30}
_EXCERPT = 25


@dataclass(frozen=True, slots=True)
class InstallReport:
    """What a transaction said on the way that is no error (scriptlets' output among it)."""

    messages: tuple[str, ...] = ()


def install(
    packages: Sequence[Path],
    root: Path,
    tools: Tools,
    epoch: int,
    dbpath: str,
    *,
    documents: bool = True,
    installed: Callable[[int], None] | None = None,
) -> InstallReport:
    """Install or upgrade packages in one transaction.

    packages: RPM files; their order does not matter. root: the tree, an existing directory; call
    `namespace.enter()` before. epoch: seconds, the time that rpm and scriptlets are told. dbpath:
    the rpm database's directory in the tree. documents: also install what is marked as
    documentation. installed: told how many packages are in, as they come. Raises DockyardError when
    rpm refuses, a scriptlet fails or an owner is unknown.
    """
    # The digest of the whole payload is checked, which makes that of each file another time over.
    argv = [*_UPGRADE, "-v", "--nofiledigest", *([] if documents else ["--excludedocs"])]
    with shown(packages, root) as (names, read):
        argv += names
        report = transaction(argv, root, tools, epoch, dbpath, read, Count(installed))
    rpmdb.canonicalise(root, tools, epoch, dbpath)
    return report


@contextmanager
def shown(
    packages: Sequence[Path], root: Path
) -> Iterator[tuple[list[str], list[tuple[Path, str]]]]:
    """Packages as a transaction over a tree sees them: their names in there, in an order that their
    places do not decide, and what is to be shown to it.
    """
    with TemporaryDirectory(prefix=".packages-", dir=root.parent) as name:
        copies = Path(name)
        copies.chmod(0o755)
        given = [path if readable_by_all(path) else _copied(path, copies) for path in packages]
        folders = {folder: number for number, folder in enumerate({path.parent for path in given})}
        inside = {path: f"{_PACKAGES_INSIDE}/{folders[path.parent]}/{path.name}" for path in given}
        # By name, for the paths of a store say nothing: ties in rpm's order are decided by this
        # one.
        names = [inside[path] for path in sorted(given, key=lambda path: (path.name, str(path)))]
        yield names, [(folder, f"{_PACKAGES_INSIDE}/{n}") for folder, n in folders.items()]


def run_stubs(
    stubs: Sequence[str], directory: Path, root: Path, tools: Tools, epoch: int
) -> InstallReport:
    """Run what runs once for a transaction over a tree that has the files of its packages already.

    stubs: names of their stand-ins in a directory, see `stubs`. root: the tree, writable. The
    transaction keeps a database of its own, which is gone afterwards. Raises DockyardError as
    `install` does.
    """
    argv = [*_UPGRADE, "--nodigest", "--ignoresize", "--define", "_pkgverify_level none"]
    argv += [f"{_PACKAGES_INSIDE}/{name}" for name in stubs]
    return transaction(argv, root, tools, epoch, _SCRATCH, [(directory, _PACKAGES_INSIDE)])


class Count:
    """Counts packages in what rpm says: with -v, each one's name and version as its files go in."""

    def __init__(self, told: Callable[[int], None] | None) -> None:
        self._told = told
        self._done = 0

    def __call__(self, line: str) -> None:
        if _PACKAGE.fullmatch(line):
            self._done += 1
            if self._told:
                self._told(self._done)


def _copied(path: Path, directory: Path) -> Path:
    copy = directory / path.name
    shutil.copyfile(path, copy)
    return copy


def verify(
    root: Path, tools: Tools, dbpath: str, *, options: Sequence[str] = ()
) -> tuple[str, ...]:
    """What differs between the tree and its packages, a line each as `rpm -Va` has them."""
    argv = [*_COMMAND, *_SETTINGS, "--dbpath", dbpath, "-Va", "--noscripts", *options]
    done = tools.run_in_tree(root, argv, check=False)
    lines = (line for line in (done.text + _text(done.stderr)).splitlines() if line.strip())
    # What rpm sees at these two is the sandbox's own.
    return tuple(line for line in lines if line.split()[-1] not in ("/dev", "/proc"))


def header_digests(root: Path, tools: Tools, dbpath: str) -> dict[str, str]:
    """The SHA-256, in hex, of the header of each installed package, by NEVRA: it decides the
    package's files, relations and scripts. An epoch of 0 is left out.
    """
    query = ["-qa", "--qf", "%{NEVRA} %{SHA256HEADER}\\n"]
    argv = [*_COMMAND, *_SETTINGS, "--dbpath", dbpath, *query]
    lines = tools.run_in_tree(root, argv).text.replace("-0:", "-").splitlines()
    return dict(line.split(" ", 1) for line in sorted(lines))


def file_owners(root: Path, tools: Tools, scratch: Path, dbpath: str) -> dict[bytes, str]:
    """Which package (as NEVRA) every installed path belongs to, by paths relative to the root.

    scratch: a directory to make and remove: a copy of the database is asked, since rpm changes the
    journal of one that it opens. A path of several packages goes to the first by name.
    """
    with InRoot(root) as files:
        if not files.lstat(f"{dbpath}/{rpmdb.NAME}"):
            return {}
        data = files.read(f"{dbpath}/{rpmdb.NAME}")
    scratch.mkdir()
    try:
        (scratch / rpmdb.NAME).write_bytes(data)
        query = ["-qa", "--qf", "[%{=NEVRA}\\t%{FILENAMES}\\n]"]
        argv = [*_COMMAND, "--dbpath", str(scratch), *query]
        found = tools.run(argv, write=[scratch], reads=scratch / rpmdb.NAME).stdout
    finally:
        remove_tree(scratch)
    owners: dict[bytes, str] = {}
    for line in sorted(found.splitlines()):
        package, tab, path = line.partition(b"\t")
        if tab and path:
            owners.setdefault(path.lstrip(b"/"), package.decode())
    return owners


def transaction(
    argv: Sequence[str],
    root: Path,
    tools: Tools,
    epoch: int,
    dbpath: str,
    read: Sequence[tuple[Path, str]] = (),
    count: Count | None = None,
) -> InstallReport:
    """Run rpm over a tree. argv: its act, options and packages. read: what it sees, see
    `run_in_tree`. count: hears of each package. Raises DockyardError as `install` does.
    """
    _make_mount_points(root)
    command = [*_COMMAND, *_SETTINGS, "--dbpath", dbpath, *argv]
    env = {
        "SOURCE_DATE_EPOCH": str(epoch),
        "SYSTEMD_OFFLINE": "1",
        "HOME": "/root",
        "RPM_CONFIGDIR": _CONFIGURATION,
    }
    done = tools.run_in_tree(root, command, read=read, env=env, check=False, told=count)
    lines = [line for line in _text(done.stderr).splitlines() if line.strip()]
    _raise_failures(done, lines, root)
    said = [line for line in _text(done.stdout).splitlines() if not _PROGRESS.fullmatch(line)]
    return InstallReport((*lines, *said))


def _make_mount_points(root: Path) -> None:
    for name, mode in MOUNT_POINTS:
        path = root / name
        if not path.exists() and not path.is_symlink():
            make_root(path)
            path.chmod(mode)


def _raise_failures(done: Completed, lines: Sequence[str], root: Path) -> None:
    scriptlets = [line for line in lines if _SCRIPTLET.search(line)]
    unknown = [line for line in lines if _NOT_THERE.match(line)]
    problems = []
    # Where files could not be unpacked, scriptlets that fail are a consequence.
    if any(_UNPACKING.search(line) for line in lines) or (done.status and not scriptlets):
        problems.append(_refused(done, lines, root))
    elif scriptlets:
        problems.append(
            Problem(
                "tree.scriptlet-failed",
                "a scriptlet of a package failed while the packages were installed",
                why="; ".join(line.partition(": ")[2] for line in scriptlets),
                fix="repair the package, or leave it out",
                excerpt=tuple(lines[-_EXCERPT:]),
            )
        )
    elif any(line.startswith("error:") for line in lines):
        problems.append(_refused(done, lines, root))
    if unknown:
        names = {found["name"] for line in unknown if (found := _NOT_THERE.match(line))}
        problems.append(
            Problem(
                "tree.unknown-owner",
                "packages have files of users or groups that do not exist: "
                + ", ".join(sorted(names)),
                why="rpm would give the files to root and drop their set-id bits",
                fix="install the package that makes them, and let the package require it (pre)",
                excerpt=tuple(unknown[:_EXCERPT]),
            )
        )
    if problems:
        raise DockyardError(*problems)


def _refused(done: Completed, lines: Sequence[str], root: Path) -> Problem:
    if short := [int(n) << _UNITS[unit] for line in lines for n, unit in _SHORT.findall(line)]:
        return Problem(
            "host.no-space",
            "the packages do not fit where they are to be installed",
            str(root),
            why=f"at least {max(short) >> 20} MiB more are needed there",
            fix="free space there, or choose another place with --store DIR",
        )
    for problem in ProcessFailed(done).problems:
        if problem.code == "host.no-space":
            return problem
    return Problem(
        "tree.install-failed",
        "the packages cannot be installed",
        why=next((line for line in lines if line.startswith("error:")), ""),
        fix="a package that another one needs may be missing from the lock",
        excerpt=tuple(lines[:_EXCERPT]),
    )


def _text(data: bytes) -> str:
    return data.decode(errors="replace")
