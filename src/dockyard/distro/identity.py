"""What a converted package depends on, as one hash: nothing is made twice, nothing stale is kept.

The hash covers the input, the declaration, the files that it names, the mapped relations, and the
code that gives the package its bytes, so that a change of ours is not mistaken for the same result.
What only decides which packages are made, and of what, changes a key by what it decides.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dockyard
from dockyard.host.files import LARGEST_SOURCE, read_regular
from dockyard.model.components import Component, Package
from dockyard.packages.rpm.payload import LEVEL, LIBRARY

if TYPE_CHECKING:
    from dockyard.distro.convert import Conversion
    from dockyard.distro.own import OwnPackage

# By name: nothing of it needs to be loaded for a build that has nothing to do.
_WRITER = tuple(f"packages/rpm/{name}" for name in ("contents", "header", "payload", "writer"))
_CONVERTER = (
    *(f"distro/{name}" for name in ("convert", "evr", "making", "paths", "payload", "upstream")),
    "packages/deb/control",
    "packages/deb/package",
    *_WRITER,
)
_MAKER = (*(f"distro/{name}" for name in ("making", "own", "paths", "payload")), *_WRITER)


@cache
def _code(modules: tuple[str, ...]) -> str:
    """The identity of code that shapes packages, and of the compressor's library."""
    digest = hashlib.sha256(f"{LEVEL} {LIBRARY}".encode())
    for module in modules:
        digest.update(Path(dockyard.__path__[0], f"{module}.py").read_bytes())
    return digest.hexdigest()


def _all_code() -> str:
    """The identity of all code between the declarations and a repository."""
    room = Path(dockyard.__path__[0], "distro")
    modules = sorted(f"distro/{path.stem}" for path in room.glob("*.py"))
    return _code((*modules, *_CONVERTER, *_MAKER))


class SourceFiles:
    """Digests of the distribution's files, each read once."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._known: dict[str, str] = {}

    def digest(self, name: str) -> str:
        """sha256 of a file; "" when it cannot be read, which the conversion then reports."""
        if name not in self._known:
            try:
                data = read_regular(self._directory / name, LARGEST_SOURCE)
                self._known[name] = hashlib.sha256(data).hexdigest()
            except OSError:
                self._known[name] = ""
        return self._known[name]

    def of(self, declaration: Component | Package) -> dict[str, str]:
        names = (file.source for file in declaration.files)
        return {name: self.digest(name) for name in names if name is not None}


def conversion_key(conversion: Conversion, deb_digest: str, sources: SourceFiles) -> str:
    """The key of an imported package."""
    return _hash(
        {
            "code": _code(_CONVERTER),
            "name": conversion.name,
            "deb": deb_digest,
            # No part of what is made: it only says what a build need not warn of.
            "declaration": dataclasses.replace(conversion.declaration, do_without=()),
            "relations": conversion.relations,
            "scriptlets": conversion.scriptlets,
            "triggers": conversion.triggers,
            "facts": conversion.facts,
            "strict": conversion.strict,
            "sources": sources.of(conversion.declaration),
        }
    )


def own_key(own: OwnPackage, sources: SourceFiles) -> str:
    """The key of a package of our own."""
    return _hash(
        {
            "code": _code(_MAKER),
            "package": own.package,
            "relations": own.relations,
            "scriptlets": own.scriptlets,
            "triggers": own.triggers,
            "facts": own.facts,
            "sources": sources.of(own.package),
        }
    )


def distro_key(files: Iterable[Path], sources: Iterable[str], fingerprint: str) -> str:
    """The key of a whole repository: of everything that it is made from, and of its signer."""
    digest = hashlib.sha256(f"{_all_code()} {fingerprint}".encode())
    for path in files:
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    for source in sources:
        digest.update(source.encode() + b"\0")
    return digest.hexdigest()[:32]


def _hash(parts: Mapping[str, Any]) -> str:
    text = json.dumps(parts, default=_data, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _data(value: object) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    raise TypeError(f"{type(value).__name__} has no place in a key")
