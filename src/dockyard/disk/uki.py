"""Unified kernel images: kernel, initrd and command line in one EFI program.

Format: UAPI Unified Kernel Image specification. The sections are appended to systemd's stub in the
order in which ukify(1) has them, byte for byte what that writes; without Python's start and two
readings of the kernel it takes a fifth of the time.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dockyard.disk.output import whole
from dockyard.disk.pe import Added, Program, extended

# SBAT: the generations of what may be revoked (shim's SBAT.md), the table's own line first.
_SBAT = "sbat,1,SBAT Version,sbat,1,https://github.com/rhboot/shim/blob/main/SBAT.md"
_SBAT_OF_UKI = "uki,1,UKI,uki,1,https://uapi-group.org/specifications/specs/unified_kernel_image/"
_SBAT_OF_ADDON = (
    "uki-addon,1,UKI Addon,addon,1,"
    "https://www.freedesktop.org/software/systemd/man/latest/systemd-stub.html"
)
SBAT = ".sbat"
COMMAND_LINE = ".cmdline"
ADDON = ".addon.efi"


@dataclass(frozen=True, slots=True)
class UkiContent:
    """What a UKI is made of.

    kernel, stub: the programs themselves (`efi.kernel`, `efi.stub`). initrd: a file of the host.
    uname: the kernel's version, shown in boot menus.
    """

    kernel: bytes
    initrd: Path
    command_line: str
    os_release: bytes
    uname: str
    stub: bytes


def build_uki(content: UkiContent, out: Path) -> None:
    """Write a UKI to a new file, which appears when it is whole. Raises DockyardError for a kernel
    or stub that is no EFI program.
    """
    stub = Program(content.stub, "the stub of systemd-boot")
    kernel = Program(content.kernel, f"the kernel {content.uname}")
    given: tuple[tuple[str, bytes | Path], ...] = (
        (".osrel", content.os_release),
        (COMMAND_LINE, content.command_line.encode()),
        (".uname", content.uname.encode()),
        (".linux", content.kernel),
        (".initrd", content.initrd),
        (SBAT, _sbat(_SBAT_OF_UKI, stub, kernel)),
    )
    added = [Added(name, data, is_code=name == ".linux") for name, data in given if data]
    with whole(out) as part:
        extended(stub, added, part, nx_compatible=kernel.is_nx_compatible)


def build_addon(command_line: str, stub: bytes, out: Path) -> None:
    """Write an addon of a UKI to a new file: words that its command line ends with.

    stub: of addons (`efi.addon_stub`). Raises DockyardError for one that is no EFI program.
    """
    program = Program(stub, "the stub of addons")
    added = [
        Added(COMMAND_LINE, command_line.encode()),
        Added(SBAT, _sbat(_SBAT_OF_ADDON, program)),
    ]
    with whole(out) as part:
        extended(program, added, part)


def addon_folder(uki: str) -> str:
    """Where systemd-stub(7) looks for the addons of a UKI. uki: its path."""
    return f"{uki}.extra.d"


def addon_name(uki: str) -> str:
    """The path of the addon that is made for a UKI."""
    name = uki.rpartition("/")[2].removesuffix(".efi")
    return f"{addon_folder(uki)}/{name}{ADDON}"


def _sbat(own: str, *programs: Program) -> bytes:
    """One table of the generations of all programs, and of what they make up. own: the line of
    that.
    """
    lines = [_SBAT]
    for program in programs:
        table = (program.content(SBAT) or b"").rstrip(b"\0").decode().splitlines()
        if table and table[0].startswith("sbat,"):
            lines += table[1:]
    return "\n".join([*lines, own, "\0"]).encode()
