"""Makes the lock of the tools: resolves what is declared, or moves what archives have forgotten."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from dockyard.errors import DockyardError, Problems
from dockyard.model.architecture import Architecture
from dockyard.model.packages import Lock, Pin
from dockyard.packages.deb.index import Candidate, Index
from dockyard.packages.deb.pins import locked_repository, open_suites, pin
from dockyard.packages.deb.refresh import refresh_missing
from dockyard.packages.deb.solve import Wish, choices, no_package, solve
from dockyard.packages.fetch import Progress
from dockyard.packages.origins import Origins
from dockyard.tools.declared import TOOLS, DeclaredTree, declared_trees, target_of
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
        try:
            chosen = solve(index, _wishes(tree, TOOLS))
            for suite in tree.data:
                of_data, _ = open_suites([suite], store, origins, progress)
                chosen += _alone(of_data, _wishes(tree, suite.architecture))
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


def _wishes(tree: DeclaredTree, architecture: Architecture) -> list[Wish]:
    """What is wanted of the packages for an architecture."""
    return [
        Wish(name, f"tools.yaml, tree {tree.name}: {purpose.title}")
        for purpose in tree.purposes
        if purpose.architecture is architecture
        for name in purpose.packages
    ]


def _alone(index: Index, wishes: Sequence[Wish]) -> list[Candidate]:
    """The packages that are wanted, and nothing that they depend on."""
    found = [(wish, choices(index, wish, frozenset())) for wish in wishes]
    lacking = [no_package(index, wish, chosen, ()) for wish, chosen in found]
    if problems := [problem for problem in lacking if problem]:
        raise DockyardError(*problems)
    return [index.candidate(chosen[0]) for _, chosen in found]


def refresh_tools(
    lock: Lock, store: Path, origins: Origins, progress: Progress | None = None
) -> tuple[Lock, list[str]]:
    """Move the tools' pins that nobody has any more; gives the lock and the moves in words."""
    trees = declared_trees(target_of(lock.packages))
    data = {suite: names for tree in trees for suite, names in tree.data.items()}
    apart = {
        suite: [pin for pin in lock.packages if pin.repository == suite.id and pin.name in names]
        for suite, names in data.items()
    }
    rest = [pin for pin in lock.packages if not any(pin in pins for pins in apart.values())]
    worlds = [(rest, [[tree.suite] for tree in trees], True)]
    worlds += [(pins, [[suite]], False) for suite, pins in apart.items()]
    packages: list[Pin] = []
    words: list[str] = []
    for pins, suites, dependencies in worlds:
        part = replace(lock, packages=tuple(pins))
        new, told = refresh_missing(
            part, suites, store, origins, progress, dependencies=dependencies
        )
        lock = replace(lock, repositories=new.repositories)
        packages += new.packages
        words += told
    return replace(lock, packages=tuple(sorted(packages))), words
