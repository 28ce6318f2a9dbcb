"""What differs between distributions is one table: which row is chosen, and that nothing of it is
written anywhere else."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

import dockyard
from dockyard.model import family
from dockyard.model.architecture import Architecture
from dockyard.model.distro import Distro, Repository
from dockyard.model.family import (
    ARCHITECTURES,
    FAMILIES,
    HARBOR,
    BootLoader,
    Packaging,
    architecture_named,
    databases,
    family_named,
    family_of,
)
from dockyard.model.packages import PackageKind

IN_VAR, IN_USR = "/var/lib/rpm", "/usr/lib/sysimage/rpm"


@pytest.mark.parametrize(
    ("id", "version", "like", "manager", "database"),
    [
        ("harbor", "1", ("fedora",), "dnf", IN_VAR),
        ("almalinux", "8.10", ("rhel", "centos", "fedora"), "dnf", IN_VAR),
        ("almalinux", "9.6", ("rhel", "centos", "fedora"), "dnf", IN_VAR),
        ("almalinux", "10.0", ("rhel", "centos", "fedora"), "dnf", IN_USR),
        ("fedora", "40", (), "dnf", IN_USR),
        ("fedora", "42", (), "dnf5", IN_USR),
        ("mariner", "2.0", (), "tdnf", IN_VAR),
        ("azurelinux", "3.0", (), "tdnf", IN_VAR),
        ("azurelinux", "4.0", ("fedora",), "dnf5", IN_USR),
        ("debian", "13", (), "apt", "/var/lib/dpkg"),
        ("debian", "", (), "apt", "/var/lib/dpkg"),  # testing has no number
        ("ubuntu", "24.04", ("debian",), "apt", "/var/lib/dpkg"),
        ("own", "10.1", ("rhel", "fedora"), "dnf", IN_USR),
        ("own", "7", ("mine", "debian"), "apt", "/var/lib/dpkg"),
    ],
)
def test_a_family_is_found_by_what_a_system_says_of_itself(
    id: str, version: str, like: tuple[str, ...], manager: str, database: str
) -> None:
    found = family_of(id, version, like)
    assert found
    assert (found.packaging.manager, found.packaging.database) == (manager, database)


def test_a_variant_that_is_known_comes_before_what_it_is_of() -> None:
    for id, variant in (("azurelinux", "azurecontainerlinux"), ("azurecontainerlinux", "")):
        found = family_of(id, "3.0.20260421", variant=variant)
        assert found and (found.name, found.esp) == ("azure-container-linux-3", "/boot")
    plain = family_of("azurelinux", "3.0", variant="server")
    assert plain and plain.name == "azure-linux-3"


@pytest.mark.parametrize(
    ("id", "version", "like"),
    [("centos", "7", ("rhel", "fedora")), ("own", "2", ("fedora",)), ("arch", "", ())],
)
def test_a_system_that_no_row_is_about_has_no_family(
    id: str, version: str, like: tuple[str, ...]
) -> None:
    assert family_of(id, version, like) is None


def test_no_two_rows_are_about_one_release() -> None:
    assert len({each.name for each in FAMILIES}) == len(FAMILIES)
    assert all(family_named(each.name) is each for each in FAMILIES)
    for id in {id for each in FAMILIES for id in each.ids}:
        for release in (*range(100), None):
            assert sum(each.has(id, release) for each in FAMILIES) <= 1, (id, release)


def test_packages_have_a_name_for_every_architecture() -> None:
    for kind in PackageKind:
        names = ARCHITECTURES[kind]
        assert [architecture_named(kind, names[each]) for each in Architecture] == [*Architecture]
    assert ARCHITECTURES[PackageKind.DEB][Architecture.X86_64] == "amd64"
    assert ARCHITECTURES[PackageKind.RPM][Architecture.AARCH64] == "aarch64"
    assert architecture_named(PackageKind.DEB, "all") is None
    assert architecture_named(PackageKind.DEB, "x86_64") is None


def test_the_places_of_databases_are_those_of_the_table() -> None:
    assert databases(PackageKind.RPM) == (IN_USR, IN_VAR)  # the former may be a link to it
    assert databases(PackageKind.DEB) == ("/var/lib/dpkg",)


def distro(name: str, version: str, family: str | None = None) -> Distro:
    source = Repository(id="base", baseurl=("https://repository.example.com/",))
    return Distro(name=name, version=version, repositories=(source,), family=family)


def test_a_distribution_is_of_the_family_that_it_names_or_is_named_like() -> None:
    assert distro("harbor", "1").of_family is HARBOR
    assert distro("almalinux", "10.1").of_family.name == "enterprise-linux-10"
    assert distro("acme", "10").of_family is HARBOR
    assert distro("acme", "10", family="fedora-41").of_family.name == "fedora-41"


def test_a_family_that_is_not_known_or_not_of_rpm_is_a_mistake() -> None:
    for name in ("fedora", "debian"):
        [mistake] = distro("acme", "1", family=name).mistakes()
        assert mistake.code == "distro.family" and "fedora-41" in mistake.fix


def test_what_is_in_the_table_is_nowhere_else() -> None:
    root = Path(dockyard.__file__).parent
    facts = {text.strip("/") for text in _texts() if "/" in text.strip("/")}
    assert {"var/lib/rpm", "etc/yum.repos.d", "boot/efi", "EFI/systemd"} <= facts
    found = [
        f"{path.relative_to(root)}: {text}"
        for path in sorted(root.rglob("*.py"))
        if path != Path(family.__file__)
        for text in _literals(path.read_text())
        if any(fact in text for fact in facts)
    ]
    assert found == []


def _texts() -> Iterator[str]:
    """Every text of the table, but names."""
    for each in FAMILIES:
        yield from (each.esp, each.grub)
        for part, of in ((each.packaging, Packaging), (each.loader, BootLoader)):
            for field in fields(of):
                value = getattr(part, field.name)
                if not isinstance(value, bool):
                    yield from (value,) if isinstance(value, str) else value


def _literals(source: str) -> Iterator[str]:
    """The texts of a module, but those that stand by themselves: documentation."""
    tree = ast.parse(source)
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in alone:
            yield node.value
