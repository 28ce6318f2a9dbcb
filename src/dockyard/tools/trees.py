"""The tools trees: every program that Dockyard runs but does not ship, from Debian, locked.

`data/tools.yaml` says what is wanted and why, `data/tools.lock` pins it, and a step unpacks it
once (see `unpacking`). For images of another architecture than the tools' there is a lock with more
in it, `tools.<architecture>.lock`. Each run of Dockyard looks once whether the trees are as they
were made, and makes them again where they are not.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from dockyard.engine.events import Listener, ignore
from dockyard.engine.holds import Hold, hold_until_the_end
from dockyard.engine.run import run_plan
from dockyard.engine.step import Step
from dockyard.engine.store import Store
from dockyard.engine.whole import whole_plan
from dockyard.errors import DockyardError, Problem
from dockyard.host import namespace
from dockyard.model.architecture import Architecture
from dockyard.model.packages import Lock, Pin, Request
from dockyard.packages import lockfile
from dockyard.packages.origins import Origins
from dockyard.tools.declared import TOOLS, Unpacking, declared_digest, declared_trees, target_of
from dockyard.tools.unpacked import ToolTrees, trees_in

LOCK_TOOLS = "dockyard tools lock"

_DATA = Path(__file__).parents[1] / "data"
_SHOWN = 8

_found_whole: set[Path] = set()
"""The places that this process has looked at, or filled."""


def request(target: Architecture = TOOLS) -> Request:
    """What the lock of the tools must answer: `<suite>/<package>` for every wanted package."""
    trees = declared_trees(target)
    asked = (f"{tree.suite.name}/{name}" for tree in trees for name in tree.wanted)
    return Request(install=tuple(sorted(asked)))


def made_by(target: Architecture = TOOLS) -> str:
    """The command that makes the lock of the tools for images of an architecture."""
    return LOCK_TOOLS if target is TOOLS else f"{LOCK_TOOLS} --architecture {target}"


def load_tools_lock(path: Path | None = None, target: Architecture = TOOLS) -> Lock:
    """The lock in use for images of an architecture, see `lock_path`, or the given file."""
    return lockfile.load(path or lock_path(target), made_by(target))


def lock_path(target: Architecture = TOOLS) -> Path:
    """The file of the lock in use: DOCKYARD_TOOLS_LOCK, or the one beside it (`own_lock_path`),
    whether it is there or not; else the user's own when there is one, else the one that comes with
    Dockyard.
    """
    own = own_lock_path(target)
    chosen = os.environ.get("DOCKYARD_TOOLS_LOCK")
    return own if chosen or own.is_file() else _DATA / _lock_name(target)


def own_lock_path(target: Architecture = TOOLS) -> Path:
    """Where `dockyard tools lock` puts what it made: the user's configuration, unless
    DOCKYARD_TOOLS_LOCK names another file; that for images of another architecture is beside it.
    The package's own file is never written.
    """
    if chosen := os.environ.get("DOCKYARD_TOOLS_LOCK"):
        file = Path(chosen)
        return file if target is TOOLS else file.with_name(f"{file.stem}.{target}{file.suffix}")
    home = os.environ.get("HOME", "/")
    configuration = Path(os.environ.get("XDG_CONFIG_HOME") or f"{home}/.config")
    return configuration / "dockyard" / _lock_name(target)


def _lock_name(target: Architecture) -> str:
    return "tools.lock" if target is TOOLS else f"tools.{target}.lock"


def tools_step(pins: Iterable[Pin], origins: Origins | None = None) -> Step:
    """The step whose result are the trees of some pins."""
    packages = tuple(sorted(pins))
    return Step.of(
        "tools",
        f"Unpack {len(packages)} packages of tools",
        "dockyard.tools.unpacking:unpack_tools",
        Unpacking(packages, declared_digest(target_of(packages)), origins or Origins()),
    )


def tools_there(store: Path, pins: Iterable[Pin]) -> bool:
    """Whether the trees of some pins are unpacked; not whether they are as they were made."""
    return Store(store).has(tools_step(pins))


def tools_ready(store: Path, pins: Iterable[Pin]) -> bool:
    """Whether the trees of some pins are unpacked, and nobody wrote to them since."""
    return _untouched(Store(store), tools_step(pins))


def _untouched(store: Store, step: Step) -> bool:
    key = store.answer(step)
    if key is None:
        return False
    place = store.place(key)
    if place not in _found_whole and store.untouched(key):
        _use(store, key)
    return place in _found_whole


def _use(store: Store, key: str) -> None:
    """Note that trees were found whole, and are used until this process ends."""
    if store.place(key) not in _found_whole:
        hold_until_the_end(store, key)
    _found_whole.add(store.place(key))


def tools_tree(
    store: Path,
    lock: Lock | Sequence[Pin] | None = None,
    listener: Listener = ignore,
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
    kept = Store(store)
    step = tools_step(pins, origins or Origins.of_host(os.environ))
    if not _untouched(kept, step):
        if not all(tree.pins(pins) for tree in declared_trees()):
            require_whole(pins, remake=made_by(target_of(pins)))
        with Hold(kept) as hold:
            plan = whole_plan([step], kept, {})
            hold.keep(plan)
            run_plan(plan, kept, listener)
            _use(kept, kept.path(step).name)
    return trees_in(kept.path(step))


def enter_tools(
    store: Path,
    origins: Origins | None = None,
    listener: Listener = ignore,
    target: Architecture = TOOLS,
) -> ToolTrees:
    """Enter the namespace, and give the trees of the lock in use for images of an architecture; the
    listener is told when they are fetched first. Raises DockyardError.
    """
    namespace.enter()
    return tools_tree(store, load_tools_lock(target=target), listener, origins=origins)


def require_whole(
    pinned: Sequence[Pin],
    where: str | None = None,
    remake: str = LOCK_TOOLS,
    target: Architecture = TOOLS,
) -> None:
    """Raise DockyardError (`tools.lock-stale`) unless all that is declared for images of an
    architecture is pinned.

    where: the lock's file. remake: the command that makes it again.
    """
    lacking = []
    for tree in declared_trees(target):
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
