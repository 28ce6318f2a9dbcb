"""The files of a distribution that its packages are made of, by digest."""

from __future__ import annotations

import hashlib
from pathlib import Path

from dockyard.host.files import LARGEST_SOURCE, read_regular
from dockyard.model.components import Component, Package


class SourceFiles:
    """Digests of the distribution's files, each read once."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._known: dict[str, str] = {}

    def digest(self, name: str) -> str:
        """`sha256:<hex>` of a file; "" when it cannot be read, which making the package reports."""
        if name not in self._known:
            try:
                self._known[name] = digest_of(read_source(self._directory, name))
            except OSError:
                self._known[name] = ""
        return self._known[name]

    def of(self, declaration: Component | Package) -> dict[str, str]:
        """The digests of the files that a declaration names, by name."""
        names = (file.source for file in declaration.files)
        return {name: self.digest(name) for name in names if name is not None}


def read_source(directory: Path, name: str) -> bytes:
    """The content of a file of the distribution. Raises OSError."""
    return read_regular(directory / name, LARGEST_SOURCE)


def digest_of(data: bytes) -> str:
    """`sha256:<hex>` of some bytes."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
