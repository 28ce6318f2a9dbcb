"""A live medium or an installer: what an ISO 9660 image has, as a disk without partitions.

A live medium has the image of its root at one of a few places: where Image Customizer and Dockyard
put it, and where the live systems of other distributions have it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dockyard.disk.grub_menu import read_menu
from dockyard.errors import DockyardError
from dockyard.filesystems import iso9660
from dockyard.filesystems.image import Region
from dockyard.formats import live
from dockyard.formats.saved_medium import SavedMedium, saved_of
from dockyard.model.family import MENUS
from dockyard.model.live import InitramfsType

ROOTS = (
    live.ROOT,
    "live/filesystem.squashfs",
    "casper/filesystem.squashfs",
    "LiveOS/squashfs.img",
)
_MENUS = tuple(place.lstrip("/") for place in MENUS)
_KERNELS = ("boot/vmlinuz", "live/vmlinuz", "casper/vmlinuz", "images/pxeboot/vmlinuz")
_INFO = (".disk/info", ".treeinfo", ".discinfo")
_LARGEST_TEXT = 1 << 20


@dataclass(frozen=True, slots=True)
class Medium:
    """label: of the medium. root: of the image of a root; None where there is none. kernel: beside
    it. words: of the kernel command line of its menu. saved: what ours keeps of how it was made.
    info: what an installer says that it is.
    """

    label: str
    root: Region | None
    kernel: Region | None
    words: tuple[str, ...] = ()
    saved: SavedMedium | None = None
    info: str = ""

    @property
    def lacking(self) -> str:
        """Why it has no root, for a person."""
        what = f"the medium {self.label}" + (f" ({self.info})" if self.info else "")
        if self.saved is not None and self.saved.initramfs_type is InitramfsType.FULL_OS:
            return f"{what} has its system in an initramfs (full-os), which is not read"
        return f"{what} has no image of a system's root: no {', '.join(ROOTS)}"


def medium_of(image: Path) -> Medium:
    """Read what is on a medium. Raises DockyardError."""
    label, files = iso9660.regions(image)
    kernels = (name for name in files if name.startswith("boot/vmlinuz-"))
    return Medium(
        label,
        next((files[name] for name in ROOTS if name in files), None),
        next((files[name] for name in (*_KERNELS, *sorted(kernels)) if name in files), None),
        _words(files),
        _saved(files),
        next((_first_line(files[name]) for name in _INFO if name in files), ""),
    )


def content(region: Region, most: int | None = None) -> bytes:
    """The bytes of a file of the medium, the first `most` of them."""
    with region.path.open("rb") as image:
        image.seek(region.start)
        return image.read(region.size if most is None else min(region.size, most))


def _first_line(region: Region) -> str:
    lines = content(region, _LARGEST_TEXT).decode(errors="replace").splitlines()
    return "".join(each for each in (lines or [""])[0] if each.isprintable())


def _words(files: Mapping[str, Region]) -> tuple[str, ...]:
    """Of the first entry of the menu, where that can be read."""
    for name in _MENUS:
        if name in files and files[name].size <= _LARGEST_TEXT:
            try:
                menu = read_menu(content(files[name]).decode(errors="replace"), name)
            except DockyardError:
                continue
            for entry in menu.entries:
                return entry.words
    return ()


def _saved(files: Mapping[str, Region]) -> SavedMedium | None:
    if live.SAVED not in files or files[live.SAVED].size > _LARGEST_TEXT:
        return None
    try:
        return saved_of(content(files[live.SAVED]))
    except ValueError:
        return None
