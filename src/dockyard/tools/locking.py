"""Makes the lock of the tools: resolves what is declared, or moves what archives have forgotten."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from dockyard.errors import DockyardError, Problems
from dockyard.model.architecture import Architecture
from dockyard.model.packages import Lock
from dockyard.packages.deb.pins import locked_repository, open_suites, pin
from dockyard.packages.deb.refresh import refresh_missing
from dockyard.packages.deb.solve import Wish, solve
from dockyard.packages.deb.sources import Origins
from dockyard.packages.fetch import Progress
from dockyard.tools.declared import TOOLS, declared_trees
from dockyard.tools.trees import request


def lock_tools(
    store: Path,
    origins: Origins,
    progress: Progress | None = None,
    target: Architecture = TOOLS,
) -> Lock:
    """Resolve all tools that are declared for images of an architecture against the archive as it
    is now.

    Raises DockyardError with the problems of all trees.
    """
    lock = Lock(subject="tools", request=request(target))
    problems = Problems()
    for tree in declared_trees(target):
        index, opened = open_suites([tree.suite], store, origins, progress)
        wishes = [
            Wish(name, f"tools.yaml, tree {tree.name}: {purpose.title}")
            for purpose in tree.purposes
            for name in purpose.packages
        ]
        try:
            chosen = solve(index, wishes)
        except DockyardError as error:
            problems.extend(error.problems)
            continue
        lock = replace(
            lock,
            repositories=(*lock.repositories, *map(locked_repository, opened)),
            packages=(*lock.packages, *map(pin, chosen)),
        )
    problems.raise_any()
    return replace(
        lock,
        repositories=tuple(sorted(lock.repositories)),
        packages=tuple(sorted(lock.packages)),
    )


def refresh_tools(
    lock: Lock, store: Path, origins: Origins, progress: Progress | None = None
) -> tuple[Lock, list[str]]:
    """Move the tools' pins that nobody has any more; gives the lock and the moves in words."""
    worlds = [[tree.suite] for tree in declared_trees()]
    return refresh_missing(lock, worlds, store, origins, progress)
