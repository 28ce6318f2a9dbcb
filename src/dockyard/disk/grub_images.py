"""GRUB as a program of its own for live media: what firmware starts, with all modules in it.

grub-mkimage(1) puts an image together from the modules that the tools bring; nothing of it comes
from the root. Equal modules and settings give equal bytes. The image finds the medium by its label,
or is where it was loaded from over the network, and reads /boot/grub/grub.cfg there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dockyard.disk.grub_script import quoted
from dockyard.host.sandbox import Tools

FOLDER = "boot/grub"
MENU = f"{FOLDER}/grub.cfg"

_EVERY = (
    *("normal", "configfile", "linux", "boot", "echo", "test", "true", "sleep", "minicmd"),
    *("reboot", "halt", "ls", "cat"),
)
_MEDIUM = (*_EVERY, "iso9660", "part_gpt", "part_msdos", "fat", "search", "search_label")
_NETWORK = (*_EVERY, "net", "tftp", "http")


@dataclass(frozen=True, slots=True)
class Platform:
    """What starts GRUB. format: as grub-mkimage names it; modules: those beside every one's."""

    format: str
    folder: str
    modules: tuple[str, ...]


UEFI = Platform("x86_64-efi", "x86_64-efi", (*_MEDIUM, "efi_gop"))
UEFI_NETWORK = Platform("x86_64-efi", "x86_64-efi", (*_NETWORK, "efinet", "efi_gop"))
BIOS = Platform("i386-pc-eltorito", "i386-pc", (*_MEDIUM, "biosdisk"))
BIOS_NETWORK = Platform("i386-pc-pxe", "i386-pc", (*_NETWORK, "pxe"))
HYBRID = "usr/lib/grub/i386-pc/boot_hybrid.img"
"""What a BIOS starts of a medium that is no CD; in the tools tree."""


def make_grub(out: Path, platform: Platform, label: str, tools: Tools) -> None:
    """Write the image for a platform to a new file. label: of the medium; empty for what is loaded
    over the network. Inside the namespace.
    """
    argv = ["grub-mkimage", "--format", platform.format, "--prefix", f"/{FOLDER}"]
    argv += ["--directory", f"/usr/lib/grub/{platform.folder}", "--output", str(out)]
    out.touch()
    early = out.with_name(f"{out.name}.early")
    if label:
        early.write_text(f"search --no-floppy --set=root --label {label}\n"
                         f"set prefix=($root)/{FOLDER}\n")  # fmt: skip
        argv += ["--config", str(early)]
    try:
        tools.run([*argv, *platform.modules], read=[early] if label else [], write=[out], cwd=None)
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
