"""What tools.yaml declares: the trees, their packages, and what is done to them when unpacked."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from dockyard.model.packages import Pin
from dockyard.packages.deb.sources import Origins
from dockyard.packages.deb.suite import Suite

_TEXT = Path(__file__).parents[1] / "data/tools.yaml"


@dataclass(frozen=True, slots=True)
class Purpose:
    """Why some packages are wanted."""

    title: str
    why: str
    packages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DeclaredTree:
    """One tree of tools, as declared.

    links: path → target, made where nothing is. bytecode: globs of directories with Python modules
    to compile.
    """

    name: str
    suite: Suite
    purposes: tuple[Purpose, ...]
    links: Mapping[str, str]
    drop: tuple[str, ...]
    bytecode: tuple[str, ...] = ()

    @property
    def wanted(self) -> tuple[str, ...]:
        return tuple(sorted({name for purpose in self.purposes for name in purpose.packages}))

    def pins(self, pinned: Iterable[Pin]) -> list[Pin]:
        return [pin for pin in pinned if pin.repository == self.suite.id]


@dataclass(frozen=True, slots=True)
class Unpacking:
    """What the step that unpacks tools is called with. declared: the digest of tools.yaml. origins:
    where packages that are not in the store are fetched from.
    """

    packages: tuple[Pin, ...]
    declared: str
    origins: Origins

    @property
    def identity(self) -> dict[str, Any]:
        """What shapes the trees."""
        packages = {
            f"{pin.repository} {pin.name}": f"{pin.evr} {pin.digest}" for pin in self.packages
        }
        return {"packages": packages, "declared": f"sha256:{self.declared}"}


@lru_cache
def declared_digest() -> str:
    """The SHA-256 of tools.yaml, in hex."""
    return hashlib.sha256(_TEXT.read_bytes()).hexdigest()


@lru_cache
def declared_trees() -> tuple[DeclaredTree, ...]:
    """The trees of tools.yaml, in its order."""
    import yaml

    loaded: dict[str, Any] = yaml.safe_load(_TEXT.read_bytes())
    return tuple(
        DeclaredTree(
            name=name,
            suite=Suite(tree["suite"]),
            purposes=tuple(
                Purpose(item["title"], item["why"], tuple(item["packages"]))
                for item in tree["purposes"]
            ),
            links=tree.get("links", {}),
            drop=tuple(tree.get("drop", ())),
            bytecode=tuple(tree.get("bytecode", ())),
        )
        for name, tree in loaded["trees"].items()
    )
