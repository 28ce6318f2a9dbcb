"""Lays Debian packages out as a tree of tools, side by side and without their scripts.

The tree is for reading: everything belongs to the caller, set-id bits are dropped, directories are
0755. Paths of the time before merged /usr go below /usr. Nothing is ever written through a symbolic
link, so no package can reach outside the tree, and a path that two packages bring is an error.
"""

from __future__ import annotations

import errno
import fnmatch
import os
import re
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from dockyard.errors import DockyardError, Problem
from dockyard.host import stopping
from dockyard.packages.deb.package import DebEntry, MemberKind, read_deb

MERGED = ("bin", "sbin", "lib", "lib64")
_DIRECTORY_MODE = 0o755
_OF_THE_PATH = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP, errno.EPERM)

Done = Callable[[Path], None]


def unpack(
    packages: Sequence[Path],
    tree: Path,
    *,
    drop: Sequence[str] = (),
    jobs: int = 2,
    done: Done | None = None,
) -> None:
    """Unpack .deb files into an empty directory.

    drop: globs over paths without a leading slash; what is below a match is left out too. done:
    called after each package, from several threads. Raises DockyardError: `deb.malformed`,
    `deb.same-path`, `host.no-space` as OSError.
    """
    tree.mkdir(parents=True, exist_ok=True)
    target = _Target(tree, drop)
    for name in MERGED:
        target.symlink(name, f"usr/{name}")
        target.directory(f"usr/{name}")

    def one(path: Path) -> None:
        stopping.check()
        for entry in read_deb(path).entries():
            stopping.check()
            target.put(entry, path.name)
        if done:
            done(path)

    with ThreadPoolExecutor(jobs) as pool:
        # The largest first, so that none is left running alone at the end.
        order = sorted(packages, key=lambda path: (-path.stat().st_size, path.name))
        futures = [pool.submit(one, path) for path in order]
        try:
            for future in futures:
                future.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


class _Target:
    """The tree that is filled. Safe for several threads."""

    def __init__(self, root: Path, drop: Sequence[str]) -> None:
        self._root = root
        self._lock = threading.Lock()
        self._directories = {""}
        patterns = "|".join(fnmatch.translate(glob.strip("/")) for glob in drop)
        self._drop = re.compile(patterns) if patterns else None
        self._dropped: dict[str, bool] = {}

    def put(self, entry: DebEntry, package: str) -> None:
        path = merged(entry.path)
        if not path or path in ("usr/bin", "usr/sbin", "usr/lib", "usr/lib64"):
            return
        if self._leaves_out(path):
            return
        try:
            self._write(entry, path)
        except FileExistsError as error:
            place = self._root / path
            link = entry.kind is MemberKind.SYMLINK and place.is_symlink()
            if link and str(place.readlink()) == entry.target:
                return
            raise DockyardError(
                Problem(
                    code="deb.same-path",
                    what=f"the package {package} brings a path that is there already: /{path}",
                    fix="leave one of the two packages out",
                )
            ) from error
        except OSError as error:
            if error.errno not in _OF_THE_PATH:
                raise
            raise DockyardError(
                Problem(
                    code="deb.malformed",
                    what=f"the package {package} brings what cannot be made: /{path}",
                    why=error.strerror or "",
                    fix="leave the package out",
                )
            ) from error

    def _write(self, entry: DebEntry, path: str) -> None:
        if entry.kind is MemberKind.DIRECTORY:
            self.directory(path)
            return
        self.directory(path.rpartition("/")[0])
        place = self._root / path
        if entry.kind is MemberKind.FILE:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(place, flags, 0o600)
            try:
                view = memoryview(entry.data)
                while view:
                    view = view[os.write(descriptor, view) :]
                os.fchmod(descriptor, (entry.mode & 0o777) | 0o644)
                os.utime(descriptor, (entry.mtime, entry.mtime))
            finally:
                os.close(descriptor)
        elif entry.kind is MemberKind.SYMLINK:
            place.symlink_to(entry.target)
        elif entry.kind is MemberKind.HARDLINK:
            target = merged(entry.target)
            if target.rpartition("/")[0] not in self._directories:
                # What stands there is a link, which may lead out of the tree.
                raise FileNotFoundError(errno.ENOENT, f"there is no /{target} to be linked to")
            os.link(self._root / target, place, follow_symlinks=False)
        # Device nodes and pipes have no place among tools.

    def symlink(self, path: str, target: str) -> None:
        (self._root / path).symlink_to(target)

    def directory(self, path: str) -> None:
        """Make a directory and those above it; each is a true directory afterwards."""
        if path in self._directories:
            return
        parent, _, _ = path.rpartition("/")
        self.directory(parent)
        with self._lock:
            place = self._root / path
            try:
                place.mkdir(_DIRECTORY_MODE)
                place.chmod(_DIRECTORY_MODE)
            except FileExistsError:
                if place.is_symlink() or not place.is_dir():
                    raise
            self._directories.add(path)

    def _leaves_out(self, path: str) -> bool:
        """Whether a path, or a directory above it, matches what is dropped."""
        if self._drop is None or not path:
            return False
        directory = path.rpartition("/")[0]
        if directory not in self._dropped:
            self._dropped[directory] = self._leaves_out(directory)
        return self._dropped[directory] or self._drop.match(path) is not None


def merged(path: str) -> str:
    """A path as it is where /bin, /lib and the like are links into /usr."""
    first = path.partition("/")[0]
    return f"usr/{path}" if first in MERGED else path
