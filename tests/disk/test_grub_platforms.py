"""Which GRUB is made for what starts it."""

from __future__ import annotations

import pytest

from dockyard.disk.grub_images import for_bios, for_uefi
from dockyard.formats.live import boots
from dockyard.model.architecture import Architecture


@pytest.mark.parametrize(
    ("architecture", "name"),
    [(Architecture.X86_64, "x86_64-efi"), (Architecture.AARCH64, "arm64-efi")],
)
def test_uefi_starts_a_program_for_its_processor(architecture: Architecture, name: str) -> None:
    medium, served = (for_uefi(architecture, network=each) for each in (False, True))
    assert {each.format for each in (medium, served)} == {name}
    assert {each.folder for each in (medium, served)} == {name}
    assert "iso9660" in medium.modules and "efinet" not in medium.modules
    assert {"efinet", "tftp", "http"} <= set(served.modules) and "iso9660" not in served.modules


def test_only_a_pc_has_a_bios() -> None:
    found = [for_bios(Architecture.X86_64, network=each) for each in (False, True)]
    assert [each and each.format for each in found] == ["i386-pc-eltorito", "i386-pc-pxe"]
    assert not any(for_bios(Architecture.AARCH64, network=each) for each in (False, True))
    assert boots(Architecture.X86_64).bios and boots(Architecture.AARCH64).bios is None
