"""The tools trees: every program that Dockyard runs but does not ship, from Debian, locked.

`data/tools.yaml` says what is wanted and why, `data/tools.lock` pins it, and `tools_tree` unpacks
it once into `<store>/tools/<digest>/<tree>/`, where the digest is that of the lock and of the
declaration. What the packages' scripts would have made is made here: links, users, the cache of
the dynamic linker. The trees are sealed (see host.seal): each run of Dockyard looks once whether
they are as they were made, and makes them anew where they are not.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from dockyard.errors import DockyardError, Problem
from dockyard.host import files, removal, seal, stopping
from dockyard.host.sandbox import Tools, lent, run_in_tree
from dockyard.host.storage import storage_problem
from dockyard.model.packages import Lock, Pin, Request
from dockyard.packages import lockfile
from dockyard.packages.blobs import Blobs
from dockyard.packages.deb.sources import Origins
from dockyard.packages.deb.suite import Suite

if TYPE_CHECKING:
    from dockyard.packages.fetch import FetchEvent

_FORMAT = "1"
"""Raise it when the same lock must give another tree."""

LOCK_TOOLS = "dockyard tools lock"

_NO_BYTECODE = "/(idlelib|lib2to3|test|tests|turtledemo)/"

_SHOWN = 8

_found_whole: set[Path] = set()
"""The places that this process has looked at, or filled."""

MOUNT_POINTS = ("dev", "proc", "run", "sys", "tmp", "root", "var/tmp")


@dataclass(frozen=True, slots=True)
class Purpose:
    """Why some packages are wanted."""

    title: str
    why: str
    packages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Tree:
    """One tree of tools, as declared.

    links: path → target, made where nothing is. bytecode: globs of directories with Python modules
    to compile.
    """

    name: str
    suite: Suite
    purposes: tuple[Purpose, ...]
    links: Mapping[str, str]
    drop: tuple[str, ...]
    bytecode: tuple[str, ...] = ()

    @property
    def wanted(self) -> tuple[str, ...]:
        return tuple(sorted({name for purpose in self.purposes for name in purpose.packages}))

    def pins(self, pinned: Iterable[Pin]) -> list[Pin]:
        return [pin for pin in pinned if pin.repository == self.suite.id]


@dataclass(frozen=True, slots=True)
class ToolTrees:
    """The unpacked trees. main: Debian stable. testing: what must be newer: xfs and btrfs."""

    main: Tools
    testing: Tools


@dataclass(frozen=True, slots=True)
class Unpacked:
    """A package has been laid out: the done-th of total."""

    label: str
    done: int
    total: int


ToolsProgress: TypeAlias = "Callable[[FetchEvent | Unpacked], None]"


@lru_cache
def _data(name: str) -> bytes:
    return (resources.files("dockyard") / "data" / name).read_bytes()


@lru_cache
def declared_trees() -> tuple[Tree, ...]:
    """The trees of tools.yaml, in its order."""
    import yaml

    loaded: dict[str, Any] = yaml.safe_load(_data("tools.yaml"))
    return tuple(
        Tree(
            name=name,
            suite=Suite(tree["suite"]),
            purposes=tuple(
                Purpose(item["title"], item["why"], tuple(item["packages"]))
                for item in tree["purposes"]
            ),
            links=tree.get("links", {}),
            drop=tuple(tree.get("drop", ())),
            bytecode=tuple(tree.get("bytecode", ())),
        )
        for name, tree in loaded["trees"].items()
    )


def request() -> Request:
    """What the lock of the tools must answer: `<suite>/<package>` for every wanted package."""
    asked = (f"{tree.suite.name}/{name}" for tree in declared_trees() for name in tree.wanted)
    return Request(install=tuple(sorted(asked)))


def load_tools_lock(path: Path | None = None) -> Lock:
    """The lock in use, see `lock_path`, or the given file."""
    return lockfile.load(path or lock_path(), LOCK_TOOLS)


def lock_path() -> Path:
    """The file of the lock in use: DOCKYARD_TOOLS_LOCK, else the user's own when there is one, else
    the one that comes with Dockyard.
    """
    own = own_lock_path()
    if os.environ.get("DOCKYARD_TOOLS_LOCK") or own.is_file():
        return own
    return Path(str(resources.files("dockyard") / "data/tools.lock"))


def own_lock_path() -> Path:
    """Where `dockyard tools lock` puts what it made: the user's configuration, unless
    DOCKYARD_TOOLS_LOCK names another file. The package's own file is never written.
    """
    if chosen := os.environ.get("DOCKYARD_TOOLS_LOCK"):
        return Path(chosen)
    home = os.environ.get("HOME", "/")
    return Path(os.environ.get("XDG_CONFIG_HOME") or f"{home}/.config") / "dockyard/tools.lock"


def trees_path(store: Path, pins: Iterable[Pin]) -> Path:
    """Where the trees of some pins are, or would be."""
    listed = sorted(f"{pin.repository} {pin.nevra} {pin.digest}" for pin in pins)
    digest = hashlib.sha256()
    for part in (_FORMAT.encode(), _data("tools.yaml"), "\n".join(listed).encode()):
        digest.update(hashlib.sha256(part).digest())
    return store / "tools" / digest.hexdigest()


def tools_ready(store: Path, pins: Iterable[Pin]) -> bool:
    """Whether the trees of some pins are unpacked, and nobody wrote to them since."""
    return _untouched(trees_path(store, pins))


def _untouched(place: Path) -> bool:
    if place not in _found_whole and seal.untouched(place):
        _found_whole.add(place)
    return place in _found_whole


def tools_tree(
    store: Path,
    lock: Lock | Sequence[Pin] | None = None,
    progress: ToolsProgress | None = None,
    *,
    origins: Origins | None = None,
) -> ToolTrees:
    """The trees of a lock, fetched and unpacked when they are not there, or were written to.

    lock: a lock of tools, or the pins of tools that another lock carries; default: the one that
    comes with Dockyard. Needs `namespace.enter()` before, unless they are ready, see `tools_ready`.
    Raises DockyardError.
    """
    lock = load_tools_lock() if lock is None else lock
    pins = lock.packages if isinstance(lock, Lock) else tuple(lock)
    place = trees_path(store, pins)
    if not _untouched(place):
        try:
            _make_whole(store, place, pins, progress, origins or Origins.of_host(os.environ))
        except OSError as error:
            raise DockyardError(storage_problem(error, store)) from error
    return ToolTrees(Tools(place / "main"), Tools(place / "testing"))


def _make_whole(
    store: Path,
    place: Path,
    pinned: Sequence[Pin],
    progress: ToolsProgress | None,
    origins: Origins,
) -> None:
    (store / "locks").mkdir(parents=True, exist_ok=True)
    with files.exclusive(store / "locks" / f"tools-{place.name}"):
        if not place.is_dir() or seal.damage(place):
            _make(store, place, pinned, progress, origins)
    _found_whole.add(place)


def _make(
    store: Path,
    place: Path,
    pinned: Sequence[Pin],
    progress: ToolsProgress | None,
    origins: Origins,
) -> None:
    from dockyard.packages.deb.pins import fetch_pins

    if not all(tree.pins(pinned) for tree in declared_trees()):
        require_whole(pinned)
    blobs = Blobs.of_store(store)
    fetch_pins(pinned, blobs, origins, progress)
    work = place.with_name(f".{place.name}.new")
    removal.remove_tree(work)
    try:
        _fill(work, pinned, blobs, progress)
        seal.write(work)
        removal.remove_tree(place)
        work.rename(place)
    except BaseException:
        with stopping.clearing():
            removal.remove_tree(work)
        raise


def _fill(work: Path, pinned: Sequence[Pin], blobs: Blobs, progress: ToolsProgress | None) -> None:
    from dockyard.packages.deb.unpack import unpack

    labels = {blobs.path(pin.digest): pin.nevra for pin in pinned}
    count = _Count(labels, progress)
    for tree in declared_trees():
        root = work / tree.name
        packages = [blobs.path(pin.digest) for pin in tree.pins(pinned)]
        unpack(packages, root, drop=tree.drop, done=count.add, jobs=os.cpu_count() or 2)
        finish_tree(root, tree)


class _Count:
    """Counts unpacked packages for the progress."""

    def __init__(self, labels: Mapping[Path, str], progress: ToolsProgress | None) -> None:
        self._labels = labels
        self._progress = progress
        self._done = 0
        self._lock = threading.Lock()

    def add(self, path: Path) -> None:
        with self._lock:
            self._done += 1
            if self._progress:
                self._progress(Unpacked(self._labels[path], self._done, len(self._labels)))


def finish_tree(root: Path, tree: Tree) -> None:
    """Make what the packages' scripts would have made, in a tree that was just unpacked."""
    for name in MOUNT_POINTS:
        place = root / name
        place.mkdir(parents=True, exist_ok=True)
        place.chmod(0o755)
    for path, target in tree.links.items():
        place = root / path
        if not place.is_symlink() and not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(target)
    for name in ("passwd", "group"):
        master = root / "usr/share/base-passwd" / f"{name}.master"
        if master.is_file():
            (root / "etc" / name).write_bytes(master.read_bytes())
    switch = root / "usr/share/libc-bin/nsswitch.conf"
    if switch.is_file() and not (root / "etc/nsswitch.conf").exists():
        (root / "etc/nsswitch.conf").write_bytes(switch.read_bytes())
    with lent([root / "etc", root / "var/cache/ldconfig"]):
        run_in_tree(root, ["/usr/sbin/ldconfig", "-X"])
    (root / "var/cache/ldconfig/aux-cache").unlink(missing_ok=True)
    if places := sorted(place for glob in tree.bytecode for place in root.glob(glob)):
        # The tree never changes, so the bytecode need not be compared with its source.
        compiler = ["python3", "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"]
        inside = [f"/{place.relative_to(root)}" for place in places]
        with lent(places):
            run_in_tree(root, [*compiler, "-x", _NO_BYTECODE, *inside])


def require_whole(
    pinned: Sequence[Pin], where: str | None = None, remake: str = LOCK_TOOLS
) -> None:
    """Raise DockyardError (`tools.lock-stale`) unless all that is declared is pinned.

    where: the lock's file. remake: the command that makes it anew.
    """
    lacking = []
    for tree in declared_trees():
        names = {pin.name for pin in tree.pins(pinned)}
        lacking += [f"{tree.name}: {name}" for name in tree.wanted if name not in names]
    if lacking:
        more = [f"and {len(lacking) - _SHOWN} more"] if len(lacking) > _SHOWN else []
        raise DockyardError(
            Problem(
                code="tools.lock-stale",
                what="the lock does not pin the tools that Dockyard needs",
                where=where,
                why=f"{len(lacking)} packages of them are not in it",
                fix=f"run: {remake}",
                excerpt=(*lacking[:_SHOWN], *more),
            )
        )
