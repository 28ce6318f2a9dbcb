"""Which GRUB is made for what starts it."""

from __future__ import annotations

import pytest

from dockyard.disk.grub_images import for_bios, for_uefi
from dockyard.formats.live import boots
from dockyard.model.architecture import Architecture
from dockyard.model.family import DEBIAN_GRUB, HARBOR_GRUB


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


def test_the_grub_of_a_family_has_the_names_of_a_processor() -> None:
    pc, other = (HARBOR_GRUB.named_for(each) for each in Architecture)
    assert pc.packages == ("grub2-efi-x64", "shim-x64")
    assert other.packages == ("grub2-efi-aa64", "shim-aa64")
    assert other.modules == "/usr/lib/grub/arm64-efi"
    assert dict(other.programs) == {
        "EFI/BOOT/BOOTAA64.EFI": "/usr/lib/shim/shimaa64.efi.signed",
        "EFI/BOOT/grubaa64.efi": "/usr/lib/grub/arm64-efi/grubaa64.efi",
        "EFI/debian/shimaa64.efi": "/usr/lib/shim/shimaa64.efi.signed",
        "EFI/debian/grubaa64.efi": "/usr/lib/grub/arm64-efi/grubaa64.efi",
    }
    signed = DEBIAN_GRUB.named_for(Architecture.AARCH64)
    assert signed.packages == ("grub-efi-arm64-signed", "shim-signed")
    programs = dict(signed.programs)
    assert programs["EFI/BOOT/grubaa64.efi"] == (
        "/usr/lib/grub/arm64-efi-signed/grubaa64.efi.signed"
    )
    assert programs["EFI/BOOT/mmaa64.efi"] == "/usr/lib/shim/mmaa64.efi.signed"
