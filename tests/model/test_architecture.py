"""An architecture has one name with each neighbour, which no other has."""

from __future__ import annotations

import dataclasses
import platform

import pytest

from dockyard.host import machine
from dockyard.model.architecture import Architecture, Names


def test_no_name_is_of_two_architectures() -> None:
    for field in dataclasses.fields(Names):
        found = [getattr(each.names, field.name) for each in Architecture]
        assert len({*found}) == len(found), field.name


def test_every_architecture_has_its_names() -> None:
    x86, arm = Architecture.X86_64.names, Architecture.AARCH64.names
    assert (x86.efi, x86.oci, x86.systemd) == ("x64", "amd64", "x86-64")
    assert (arm.efi, arm.oci, arm.systemd) == ("aa64", "arm64", "arm64")
    assert x86.removable_loader == "BOOTX64.EFI"
    assert arm.removable_loader == "BOOTAA64.EFI"


def test_the_host_is_an_architecture_or_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    assert machine.architecture() is Architecture.AARCH64
    monkeypatch.setattr(platform, "machine", lambda: "vax")
    assert machine.architecture() is None
