"""Repositories of Debian packages: which component of a suite each is, and where it is."""

from __future__ import annotations

from collections.abc import Iterable

from dockyard.model.packages import DebRepository, Repository
from dockyard.packages.deb.sources import Origins
from dockyard.packages.deb.suite import Suite


def deb_repositories(repositories: Iterable[Repository]) -> tuple[DebRepository, ...]:
    """The same, as what they are."""
    return tuple(each for each in repositories if isinstance(each, DebRepository))


def suite_of(repository: DebRepository) -> Suite:
    """The component of a suite that a repository is."""
    archive = repository.id.partition(":")[0]
    return Suite(repository.suite, repository.component, repository.architecture, archive)


def need_address(repository: DebRepository) -> tuple[str, ...]:
    """The addresses of a repository. Raises DockyardError (`debian.no-archive`) without any."""
    return Origins(repository.base_urls).need_mirrors()
