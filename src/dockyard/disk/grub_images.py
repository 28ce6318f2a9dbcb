"""GRUB as a program of its own: what firmware starts of a medium or a disk, with all modules in it.

grub-mkimage(1) puts an image together from the modules that the tools bring; nothing of it comes
from the root. Equal modules and settings give equal bytes. That of a live medium finds it by its
label, or is where it was loaded from over the network, and reads /boot/grub/grub.cfg there; that of
a disk finds the file system with the menu by its id (`bios`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dockyard.disk.grub_script import quoted
from dockyard.host.sandbox import Tools
from dockyard.model.architecture import Architecture

FOLDER = "boot/grub"
MENU = f"{FOLDER}/grub.cfg"

_EVERY = (
    *("normal", "configfile", "linux", "boot", "echo", "test", "true", "sleep", "minicmd"),
    *("reboot", "halt", "ls", "cat"),
)
_MEDIUM = (*_EVERY, "iso9660", "part_gpt", "part_msdos", "fat", "search", "search_label")
_DISK = (*_EVERY, "part_gpt", "ext2", "xfs", "btrfs", "fat", "search", "search_fs_uuid", "loadenv")
_NETWORK = (*_EVERY, "net", "tftp", "http")


@dataclass(frozen=True, slots=True)
class Platform:
    """What starts GRUB. format: as grub-mkimage names it; modules: those beside every one's."""

    format: str
    folder: str
    modules: tuple[str, ...]


# Machines for other architectures have no BIOS.
BIOS_DISK = Platform("i386-pc", "i386-pc", (*_DISK, "biosdisk"))
_BIOS = Platform("i386-pc-eltorito", "i386-pc", (*_MEDIUM, "biosdisk"))
_BIOS_NETWORK = Platform("i386-pc-pxe", "i386-pc", (*_NETWORK, "pxe"))
HYBRID = "usr/lib/grub/i386-pc/boot_hybrid.img"
"""What a BIOS starts of a medium that is no CD; in the tools tree."""
# By HTTP, Debian's GRUB looks for its menu beside itself (fw_path), and nowhere else then.
_LOADED_FROM = "unset fw_path\nnormal\n"


def for_uefi(architecture: Architecture, *, network: bool = False) -> Platform:
    """What UEFI starts: of a medium, or of what a network serves."""
    name = architecture.names.grub
    more = (*_NETWORK, "efinet") if network else _MEDIUM
    return Platform(name, name, (*more, "efi_gop"))


def for_bios(architecture: Architecture, *, network: bool = False) -> Platform | None:
    """What a BIOS starts of a medium, or of what a network serves; None where there is no BIOS."""
    if architecture is not Architecture.X86_64:
        return None
    return _BIOS_NETWORK if network else _BIOS


def make_grub(
    out: Path, platform: Platform, search: str, tools: Tools, folder: str = f"/{FOLDER}"
) -> None:
    """Write the image for a platform to a new file. Inside the namespace.

    search: how the file system with the menu is told, as search(1) of GRUB takes it; empty for what
    is loaded over the network. folder: of the menu, there.
    """
    argv = ["grub-mkimage", "--format", platform.format, "--prefix", folder]
    argv += ["--directory", f"/usr/lib/grub/{platform.folder}", "--output", str(out)]
    out.touch()
    early = out.with_name(f"{out.name}.early")
    found = f"search --no-floppy --set=root {search}\nset prefix=($root){folder}\n"
    early.write_text(found if search else _LOADED_FROM)
    argv += ["--config", str(early)]
    try:
        tools.run([*argv, *platform.modules], read=[early], write=[out], cwd=None)
    finally:
        early.unlink(missing_ok=True)


def menu(title: str, kernel: str, initrd: str, words: Sequence[str]) -> str:
    """A menu of one entry, which is started after a second unless a key is pressed."""
    told = " ".join(quoted(word) for word in words)
    return f"""\
set default=0
set timeout_style=hidden
set timeout=1

menuentry {quoted(title)} {{
    linux {kernel} {told}
    initrd {initrd}
}}
"""
