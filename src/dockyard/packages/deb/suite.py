"""Names of suites: how a lock says where in a Debian archive a package was."""

from __future__ import annotations

from dataclasses import dataclass

ARCHITECTURE = "amd64"


@dataclass(frozen=True, slots=True, order=True)
class Suite:
    """One component of a suite for one architecture: what a lock calls a repository."""

    name: str
    component: str = "main"
    architecture: str = ARCHITECTURE

    @property
    def id(self) -> str:
        """`debian:<suite>:<component>`: the repository id of the suite's pins."""
        return f"debian:{self.name}:{self.component}"

    @classmethod
    def from_id(cls, text: str) -> Suite:
        """The suite of a repository id. Raises ValueError when it is not one."""
        archive, _, rest = text.partition(":")
        name, _, component = rest.partition(":")
        if archive != "debian" or not name or not component:
            raise ValueError(f"not a Debian repository id: {text!r}")
        return cls(name, component)
