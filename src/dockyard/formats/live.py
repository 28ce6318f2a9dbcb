"""What live media are made of, whether they are burned, copied to a stick or served by a network.

Where things are on a medium, which is where Image Customizer has them: `liveos/rootfs.img` is the
root, `boot/` has kernel, initrd and the menu. `liveos/medium.json` keeps what was asked for of the
medium alone, so that it is not lost when the medium is customized again.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from dockyard.archive import Archive, Entry, Kind
from dockyard.disk import grub_images
from dockyard.disk.identity import derive
from dockyard.filesystems import FilesystemSpec, by_name
from dockyard.formats.parts import LivePart, Parts
from dockyard.host.sandbox import Tools
from dockyard.initrd.live import IMAGE
from dockyard.model.architecture import Architecture

KERNEL = "boot/vmlinuz"
INITRD = "boot/initrd.img"
SAVED = "liveos/medium.json"
ROOT = IMAGE
_EFI = "boot/grub/efi.img"
_BIOS = "boot/grub/bios.img"
_LOADER_SPACE = 8 << 20


@dataclass(frozen=True, slots=True)
class Boots:
    """What an ISO boots with: images for El Torito (UEFI: a FAT file system; BIOS: a program), by
    their paths on the medium. bios: None where there is no BIOS.
    """

    uefi: str
    bios: str | None


def boots(architecture: Architecture) -> Boots:
    """What an ISO for machines of an architecture boots with."""
    return Boots(_EFI, _BIOS if grub_images.for_bios(architecture) else None)


def lay_out(parts: Parts, into: Path, tools: Tools) -> dict[str, Path]:
    """Make the files of an ISO that are no parts, in an empty directory; gives where everything on
    the medium is on the host, by its path on the medium.
    """
    live = live_of(parts)
    loader, bios, efi = into / "loader", into / "bios", into / "efi"
    place = f"EFI/BOOT/{parts.architecture.names.removable_loader}"
    search = f"--label {live.label}"
    grub_images.make_grub(loader, grub_images.for_uefi(parts.architecture), search, tools)
    if by_bios := grub_images.for_bios(parts.architecture):
        grub_images.make_grub(bios, by_bios, search, tools)
    _write_esp(parts, place, loader, efi, tools)
    menu, saved = into / "menu", into / "saved"
    words = live.medium_words
    menu.write_text(grub_images.menu(live.title, f"/{KERNEL}", f"/{INITRD}", words))
    saved.write_text(json.dumps(live.saved.as_json(), indent=2) + "\n")
    assert parts.kernel is not None and parts.initrd is not None
    found = {
        KERNEL: parts.kernel,
        INITRD: parts.initrd,
        grub_images.MENU: menu,
        place: loader,
        _EFI: efi,
        **({_BIOS: bios} if by_bios else {}),
        SAVED: saved,
        **({ROOT: live.root} if live.root else {}),
    }
    return {**found, **live.files}


def live_of(parts: Parts) -> LivePart:
    """What makes parts those of a live medium."""
    assert parts.live is not None
    return parts.live


def _write_esp(parts: Parts, place: str, loader: Path, out: Path, tools: Tools) -> None:
    """The file system that UEFI starts from, whether the medium is a CD or a stick."""
    path = place.encode()
    entry = Entry(path, Kind.FILE, 0o755, mtime_ns=parts.epoch * 10**9)
    content = Archive.from_entries([entry], {path: loader})
    spec = FilesystemSpec(derive(parts.seed, "medium", "esp"), "LIVE", parts.epoch)
    by_name("vfat").write(content, out, _LOADER_SPACE, spec, tools)
