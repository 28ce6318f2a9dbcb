"""A package's file on this machine, looked into before it is installed, whatever its format is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol


class PackageFile(Protocol):
    """What settings ask of packages. Paths are absolute."""

    def paths(self) -> Iterable[str]:
        """Every path that the package brings."""
        ...

    def listed(self) -> Iterable[str]:
        """Those that it tells without its data being read: of files, and maybe not of all."""
        ...

    def contents(
        self, wanted: Callable[[str], bool], *, listed: bool = False
    ) -> Iterator[tuple[str, bytes]]:
        """The files that are wanted, by their paths, with what is in them. listed: without a look
        at the data of a package that does not tell any of them.
        """
        ...

    def provides(self) -> Iterable[str]:
        """The names of what the package provides."""
        ...

    def scripts(self) -> Iterable[str]:
        """The scripts that run when it is installed."""
        ...
