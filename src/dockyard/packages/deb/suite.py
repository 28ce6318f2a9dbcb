"""Names of suites: how a lock says where in a Debian archive a package was."""

from __future__ import annotations

from dataclasses import dataclass

from dockyard.model.architecture import Architecture


@dataclass(frozen=True, slots=True, order=True)
class Suite:
    """One component of a suite for one architecture: what a lock calls a repository. archive: the
    name of the distribution whose it is.
    """

    name: str
    component: str = "main"
    architecture: Architecture = Architecture.X86_64
    archive: str = "debian"

    @property
    def id(self) -> str:
        """`<archive>:<suite>:<component>`: the repository id of the suite's pins."""
        return f"{self.archive}:{self.name}:{self.component}"
