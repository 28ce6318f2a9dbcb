"""The pass over a tree after its packages are in: makes what the packages' files imply, and
leaves nothing behind that differs from build to build.

Works for any RPM distribution: each program is the image's own, and runs where the tree has it,
unless a scriptlet has made the outcome already. Presets are applied here, and the first boot is
told that nothing is left to do (`/etc/.updated`, an empty machine-id), which saves it seconds.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from dockyard.errors import DockyardError, Problem
from dockyard.host.in_root import InRoot
from dockyard.host.process import ProcessFailed
from dockyard.host.removal import remove_tree
from dockyard.host.sandbox import run_in_tree
from dockyard.model.family import Packaging

# What is empty in an image, and what gets access control lists, which not every file system of an
# image can hold: the first boot makes them.
_TMPFILES_NOT = (
    "/dev",
    "/proc",
    "/run",
    "/sys",
    "/tmp",
    "/var/lib/tpm2-tss",
    "/var/log/journal",
    "/var/tmp",
)
# systemd-tmpfiles(8): EX_DATAERR, lines were passed over, such as those of users who do not exist.
_PASSED_OVER = 65

_UPDATED = b"# The age of this file says that /usr is not newer: systemd-update-done.service(8)\n"

# Paths (globs in the last part) that hold times, numbers of inodes, secrets or nothing at all.
_VOLATILE = (
    "/etc/.pwd.lock",
    "/etc/passwd-",
    "/etc/group-",
    "/etc/shadow-",
    "/etc/gshadow-",
    "/etc/subuid-",
    "/etc/subgid-",
    "/etc/ssh/ssh_host_*_key",
    "/etc/ssh/ssh_host_*_key.pub",
    "/var/cache/ldconfig/aux-cache",
    "/var/lib/dbus/machine-id",
    "/var/lib/systemd/credential.secret",
    "/var/lib/systemd/random-seed",
)
_EMPTIED = ("run", "tmp", "var/tmp")
_SHOWN = 60
# Bytes of a directory's path: with any name in it, it is still a path (PATH_MAX).
_LONGEST = 4096 - 1 - 256


@dataclass(frozen=True, slots=True)
class Program:
    """A program of the image that the pass runs.

    path: its place in the tree; it is left out without it. unless: a path whose existence
    shows that it has run. given: a path without which there is nothing to do. passed: statuses
    that are no failure.
    """

    path: str
    arguments: tuple[str, ...] = ()
    given: str = ""
    unless: str = ""
    passed: tuple[int, ...] = (0,)


_PROGRAMS = (
    Program("/usr/bin/systemd-sysusers"),
    Program(
        "/usr/bin/systemd-tmpfiles",
        ("--create", *(f"--exclude-prefix={prefix}" for prefix in _TMPFILES_NOT)),
        passed=(0, _PASSED_OVER),
    ),
    Program("/usr/sbin/ldconfig", given="/etc/ld.so.conf"),
    Program(
        "/usr/bin/systemd-hwdb",
        ("update", "--usr", "--strict"),
        given="/usr/lib/udev/hwdb.d",
        unless="/usr/lib/udev/hwdb.bin",
    ),
    Program(
        "/usr/bin/journalctl",
        ("--update-catalog",),
        given="/usr/lib/systemd/catalog",
        unless="/var/lib/systemd/catalog/database",
    ),
    Program(
        "/usr/bin/update-ca-trust",
        given="/usr/share/pki/ca-trust-source",
        unless="/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    ),
)
_PRESETS = (
    Program("/usr/bin/systemctl", ("preset-all",)),
    Program("/usr/bin/systemctl", ("--global", "preset-all")),
)


def finish(
    root: Path,
    epoch: int,
    packaging: Packaging,
    *,
    presets: bool = True,
    written: Path | None = None,
) -> tuple[str, ...]:
    """Run the pass over a tree and return the commands that ran.

    epoch: seconds; no time in the tree is later afterwards, and every directory has it. packaging:
    of the distribution. presets: apply the presets to all units, which undoes what was enabled by
    hand: only for a tree made from nothing. written: the directory that has all that was written to
    the tree, when it is an overlay whose times are settled below. Call `namespace.enter()` before.
    Raises DockyardError.
    """
    with InRoot(root) as files:
        programs = [*_PROGRAMS, *_module_indices(files), *(_PRESETS if presets else ())]
        ran = [each for each in programs if _is_due(each, files)]
        for program in ran:
            _run(program, root, epoch)
        _settle_first_boot(files)
        _remove_volatile(root, files, packaging)
    clamp_times(written or root, epoch)
    return tuple(" ".join((each.path, *each.arguments)) for each in ran)


def _module_indices(files: InRoot) -> list[Program]:
    return [
        Program(
            "/usr/sbin/depmod",
            (kernel,),
            given=f"/usr/lib/modules/{kernel}/modules.builtin",
            unless=f"/usr/lib/modules/{kernel}/modules.dep.bin",
        )
        for kernel in files.names("/usr/lib/modules")
    ]


def _is_due(program: Program, files: InRoot) -> bool:
    if not files.lstat(program.path) or (program.given and not files.lstat(program.given)):
        return False
    return not (program.unless and files.lstat(program.unless))


def _run(program: Program, root: Path, epoch: int) -> None:
    argv: Sequence[str] = [program.path, *program.arguments]
    env = {"SOURCE_DATE_EPOCH": str(epoch), "SYSTEMD_OFFLINE": "1", "HOME": "/root"}
    done = run_in_tree(root, argv, env=env, check=False)
    if done.status not in program.passed:
        (failed,) = ProcessFailed(done, argv).problems
        raise DockyardError(
            Problem(
                "tree.finish-failed",
                f"{program.path} failed in the image after its packages were installed",
                why=failed.what,
                fix="its package, or one whose files it reads, is at fault",
                excerpt=failed.excerpt,
            )
        )


def _settle_first_boot(files: InRoot) -> None:
    """An empty machine-id is filled at each first boot without calling it one (machine-id(5))."""
    if not files.lstat("/usr/lib/systemd/systemd"):
        return
    files.write("/etc/machine-id", b"", mode=0o444)
    files.write("/etc/.updated", _UPDATED)
    files.write("/var/.updated", _UPDATED)


def _remove_volatile(root: Path, files: InRoot, packaging: Packaging) -> None:
    _remove_files(files, packaging)
    for name in _EMPTIED:
        _empty(root, name)


def _remove_files(files: InRoot, packaging: Packaging) -> None:
    for path in (*_VOLATILE, *packaging.volatile):
        directory, _, pattern = path.rpartition("/")
        for name in files.names(directory):
            if fnmatchcase(name, pattern):
                found = files.lstat(f"{directory}/{name}")
                if found and stat.S_ISREG(found.st_mode):
                    files.remove(f"{directory}/{name}")


def remove_written(upper: Path, packaging: Packaging) -> None:
    """Remove from the upper directory of an overlay what programs wrote that differs from run to
    run, and what is empty in an image; what the tree below has of these comes to light again.
    """
    with InRoot(upper) as files:
        _remove_files(files, packaging)
    for name in _EMPTIED:
        _empty(upper, name)


def _empty(root: Path, name: str) -> None:
    """Remove all below a directory of the tree, unless a link leads there: perhaps out of the
    tree.
    """
    directory = root
    for part in name.split("/"):
        directory = directory / part
        if directory.is_symlink() or not directory.is_dir():
            return
    for child in directory.iterdir():
        if child.is_dir() and not child.is_symlink():
            remove_tree(child)
        else:
            child.unlink()


def refuse_sockets(root: Path) -> None:
    """Raise DockyardError when there is a socket below a directory, but for places that are empty
    in an image. A socket means nothing without the process that made it, and an archive has none.
    """
    places = tuple(f"{root}/{name}/" for name in ("dev", *_EMPTIED))
    found = sorted(
        str(Path(entry.path).relative_to(root))
        for _, entries in _directories(root)
        for entry in entries
        if not entry.path.startswith(places)
        and stat.S_ISSOCK(entry.stat(follow_symlinks=False).st_mode)
    )
    if found:
        raise DockyardError(
            Problem(
                "tree.socket",
                f"scripts left sockets in the image: {', '.join(f'/{path}' for path in found[:8])}",
                why="nobody listens there when the image runs; a socket is made by its service",
                fix="stop what the script started, and remove its sockets",
            )
        )


def clamp_times(root: Path, epoch: int, begun: int | None = None) -> None:
    """Set the time of every directory, and of whatever is newer, to the epoch (seconds).

    begun: the time in nanoseconds that a file had which was made before anything was written there.
    What was written since gets the epoch as well, even where that lies ahead of the clock.
    """
    limit = epoch * 1_000_000_000
    for directory, entries in _directories(root):
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                continue
            found = entry.stat(follow_symlinks=False)
            is_new = begun is not None and begun <= found.st_mtime_ns <= found.st_ctime_ns
            if is_new or found.st_mtime_ns > limit:
                os.utime(entry.path, ns=(limit, limit), follow_symlinks=False)
        # What is done within a directory changes its time: set it when nothing more is made in it.
        if os.lstat(directory).st_mtime_ns != limit:
            os.utime(directory, ns=(limit, limit))


def _directories(root: Path) -> Iterator[tuple[str, list[os.DirEntry[str]]]]:
    """Every directory of a tree, the root first, and what is in it. Raises DockyardError for what
    is deeper than any path.
    """
    pending = [str(root)]
    while pending:
        directory = pending.pop()
        if len(os.fsencode(directory)) > _LONGEST:
            raise DockyardError(_too_deep(directory.removeprefix(str(root))))
        with os.scandir(directory) as found:
            entries = list(found)
        pending += [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
        yield directory, entries


def _too_deep(path: str) -> Problem:
    return Problem(
        "tree.path",
        f"a directory in the image is nested too deeply: {path[:_SHOWN]}…",
        why=f"its path has {len(os.fsencode(path))} bytes, and no file in it could be opened",
        fix="see which package or script makes it, and leave that out",
    )
