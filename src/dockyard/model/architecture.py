"""Processor architectures: one type, with the name that each of its neighbours has for it.

Three may meet in one build. The *host* is the machine that Dockyard runs on (`host.machine`), the
*build* architecture is that of the tools it runs there, the *target* that of the image. Each is an
`Architecture`, so that none is taken for another's name, such as `amd64` for `x86_64`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Names:
    """What others call an architecture.

    efi: the suffix of programs (UEFI 2.10, 3.5.1.1). systemd: as `ConditionArchitecture=` takes it,
    and gpt-auto names partition types. oci: GOARCH, in the index of an image. emulator, board:
    QEMU's. serial: what Linux calls the serial port of that board. grub: the platform of GRUB for
    UEFI. rpm_number: in the lead of a package. What packages call it is in `family`.
    """

    efi: str
    systemd: str
    oci: str
    emulator: str
    board: str
    serial: str
    grub: str
    rpm_number: int

    @property
    def removable_loader(self) -> str:
        """The program that firmware starts without being told (UEFI 2.10, 3.5.1.1)."""
        return f"BOOT{self.efi.upper()}.EFI"

    @property
    def served_loader(self) -> str:
        """The program that UEFI loads over a network, as Image Customizer names it."""
        return self.removable_loader.lower()


class Architecture(StrEnum):
    """An architecture that images are made for. Its value is the kernel's name for it (`uname -m`),
    which RPM and the files of ours share.
    """

    X86_64 = "x86_64"
    AARCH64 = "aarch64"

    @property
    def names(self) -> Names:
        """What others call it."""
        return _NAMES[self]


_NAMES: Mapping[Architecture, Names] = {
    Architecture.X86_64: Names(
        efi="x64",
        systemd="x86-64",
        oci="amd64",
        emulator="qemu-system-x86_64",
        board="q35",
        serial="ttyS0",
        grub="x86_64-efi",
        rpm_number=1,
    ),
    Architecture.AARCH64: Names(
        efi="aa64",
        systemd="arm64",
        oci="arm64",
        emulator="qemu-system-aarch64",
        board="virt",
        serial="ttyAMA0",
        grub="arm64-efi",
        rpm_number=19,
    ),
}
