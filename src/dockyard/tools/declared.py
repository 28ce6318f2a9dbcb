"""What tools.yaml declares: the trees, their packages, and what is done to them when unpacked.

`tools.<architecture>.yaml` says what is added to them where images for that architecture are made:
who makes none has none of it. The tools themselves are programs for `TOOLS`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from dockyard.model.architecture import Architecture
from dockyard.model.packages import Pin
from dockyard.packages.deb.suite import Suite
from dockyard.packages.origins import Origins

TOOLS = Architecture.X86_64
"""The architecture of the tools, and of the images that they make without an addition."""

MARKS: Mapping[Architecture, str] = {Architecture.AARCH64: "qemu-efi-aarch64"}
"""Of what is added for an architecture, a package that is in no other tools."""

_DATA = Path(__file__).parents[1] / "data"


@dataclass(frozen=True, slots=True)
class Purpose:
    """Why some packages are wanted. architecture: theirs; where it is not that of the tools, their
    files are data here, and what they depend on is not taken.
    """

    title: str
    why: str
    packages: tuple[str, ...]
    architecture: Architecture = TOOLS


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

    @property
    def data(self) -> Mapping[Suite, tuple[str, ...]]:
        """The packages that are for another architecture, by where they are from."""
        found: dict[Suite, tuple[str, ...]] = {}
        for purpose in self.purposes:
            if purpose.architecture is not TOOLS:
                suite = replace(self.suite, architecture=purpose.architecture)
                found[suite] = (*found.get(suite, ()), *purpose.packages)
        return found

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


def _files(target: Architecture) -> list[Path]:
    added = [] if target is TOOLS else [_DATA / f"tools.{target}.yaml"]
    return [_DATA / "tools.yaml", *added]


@lru_cache
def declared_digest(target: Architecture = TOOLS) -> str:
    """The SHA-256, in hex, of what is declared for images of an architecture."""
    return hashlib.sha256(b"".join(file.read_bytes() for file in _files(target))).hexdigest()


@lru_cache
def declared_trees(target: Architecture = TOOLS) -> tuple[DeclaredTree, ...]:
    """The trees for images of an architecture, in the order of tools.yaml."""
    import yaml

    first, *added = (yaml.safe_load(file.read_bytes())["trees"] for file in _files(target))
    return tuple(
        _tree(name, tree, [more[name] for more in added if name in more])
        for name, tree in first.items()
    )


def _tree(name: str, tree: dict[str, Any], added: list[dict[str, Any]]) -> DeclaredTree:
    """A tree as it is declared, with what is added to it."""
    every = [tree, *added]
    return DeclaredTree(
        name=name,
        suite=Suite(tree["suite"]),
        purposes=tuple(
            Purpose(
                item["title"],
                item["why"],
                tuple(item["packages"]),
                Architecture(item.get("architecture", TOOLS)),
            )
            for each in every
            for item in each["purposes"]
        ),
        links=tree.get("links", {}),
        drop=tuple(path for each in every for path in each.get("drop", ())),
        bytecode=tuple(tree.get("bytecode", ())),
    )


def target_of(pins: Iterable[Pin]) -> Architecture:
    """The architecture of the images that some tools are for: by what they have in addition."""
    names = {pin.name for pin in pins}
    return next((each for each, name in MARKS.items() if name in names), TOOLS)
