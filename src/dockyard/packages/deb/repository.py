"""Repositories of Debian packages: which component of a suite each is, and where it is."""

from __future__ import annotations

from collections.abc import Iterable

from dockyard.errors import Position, Problems
from dockyard.model.debian_archive import DEBIAN_ARCHIVE
from dockyard.model.packages import DebRepository, Repository
from dockyard.packages.deb.suite import Suite


def deb_repositories(repositories: Iterable[Repository]) -> tuple[DebRepository, ...]:
    """The same, as what they are."""
    return tuple(each for each in repositories if isinstance(each, DebRepository))


def suite_of(repository: DebRepository) -> Suite:
    """The component of a suite that a repository is."""
    archive = repository.id.partition(":")[0]
    return Suite(repository.suite, repository.component, repository.architecture, archive)


def need_addresses(repositories: Iterable[DebRepository]) -> None:
    """Raise DockyardError (`debian.no-archive`) with every archive that no address is known of."""
    suites: dict[tuple[str, Position | None], dict[str, None]] = {}
    for each in repositories:
        if not each.base_urls:
            suites.setdefault((each.archive, each.position), {})[each.suite] = None
    problems = Problems()
    for (archive, position), names in suites.items():
        named = "ADDRESS" if archive == DEBIAN_ARCHIVE else f"{archive}=ADDRESS"
        what = f"no address of the archive {archive} is known on this host"
        several = "suite" if len(names) == 1 else "suites"
        problems.add(
            "debian.no-archive",
            what,
            position,
            why=f"it has the {several} {', '.join(names)}, and the host's apt takes nothing from "
            "it",
            fix=f"name it with --debian-mirror {named}; or leave the {several} out of the image "
            f"with os.packages.withoutSuites: [{', '.join(names)}]",
        )
    problems.raise_any()
