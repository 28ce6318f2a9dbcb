"""What the key of a package is made of."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path

import pytest

import dockyard
from dockyard.distro import identity
from dockyard.distro.convert import Conversion
from dockyard.distro.making import DistroFacts
from dockyard.distro.own import OwnPackage
from dockyard.distro.relations import Relations, declared
from dockyard.model.components import Component, Package
from dockyard.packages.rpm.contents import RpmRelation
from model_data import from_data

ROOT = Path(dockyard.__path__[0])
# What a package gets from this module is in its key.
DECIDED_BEFORE = {"distro/relations"}


def _reached(module: str, found: set[str]) -> set[str]:
    """The modules of the distribution and of package formats that a module imports."""
    found.add(module)
    for node in ast.walk(ast.parse((ROOT / f"{module}.py").read_bytes())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("dockyard."):
            base = "/".join((node.module or "").split(".")[1:])
            for name in (base, *(f"{base}/{alias.name}" for alias in node.names)):
                rooms = ("distro/", "packages/deb/", "packages/rpm/")
                there = name.startswith(rooms) and (ROOT / f"{name}.py").is_file()
                if there and name not in found | DECIDED_BEFORE:
                    _reached(name, found)
    return found


@pytest.mark.parametrize(
    ("module", "listed"),
    [("distro/convert", identity._CONVERTER), ("distro/own", identity._MAKER)],
)
def test_all_code_that_shapes_a_package_is_in_its_key(module: str, listed: tuple[str, ...]) -> None:
    assert _reached(module, set()) == set(listed)


def test_a_conversion_is_known_by_all_that_shapes_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("one")
    facts = DistroFacts("Distro 1", "Vendor", 1)
    component = from_data(Component, {"files": [{"path": "/f", "source": "file"}]})
    base = Conversion(
        name="a",
        deb=tmp_path / "a.deb",
        declaration=component,
        relations=Relations(),
        facts=facts,
        directory=tmp_path,
    )

    def key(conversion: Conversion, digest: str = "sha256:1") -> str:
        return identity.conversion_key(conversion, digest, identity.SourceFiles(tmp_path))

    changed = [
        replace(base, name="b"),
        replace(base, declaration=Component(summary="x")),
        replace(base, relations=Relations(requires=(RpmRelation("x"),))),
        replace(base, facts=replace(facts, epoch=2)),
        replace(base, strict=False),
    ]
    keys = {key(base), key(base, "sha256:2"), *map(key, changed)}
    assert key(replace(base, deb=tmp_path / "elsewhere.deb")) == key(base)
    (tmp_path / "file").write_text("two")
    keys.add(key(base))
    assert len(keys) == len(changed) + 3


def test_an_own_package_is_known_by_its_declaration(tmp_path: Path) -> None:
    package = Package(name="p", version="1", summary="s", license="MIT")
    facts = DistroFacts("Distro 1", "Vendor", 1)
    base = OwnPackage(package=package, relations=declared(package), facts=facts, directory=tmp_path)
    other = replace(base, package=replace(package, version="2"))
    more = replace(base, relations=Relations(provides=(RpmRelation("x"),)))
    sources = identity.SourceFiles(tmp_path)
    assert len({identity.own_key(each, sources) for each in (base, other, more)}) == 3
