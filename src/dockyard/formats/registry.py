"""Finds a format by the name that an image file gives it. Loaded is the one that is asked for."""

from __future__ import annotations

from enum import StrEnum
from importlib import import_module

from dockyard.errors import DockyardError, Position, Problem
from dockyard.formats.parts import Format
from dockyard.model.nearest import nearest


class Holds(StrEnum):
    """What a format holds: a disk, a live system that boots without one, a root alone, the root of
    a guest, which another system runs, or what an image adds to one that exists.
    """

    DISK = "disk"
    LIVE = "live"
    ROOT = "root"
    GUEST = "guest"
    EXTENSION = "extension"


# name -> module below dockyard.formats, class, what it holds; in the order of the reference.
_CLASSES = {
    "vhd": ("vhd", "Vhd", Holds.DISK),
    "vhd-fixed": ("vhd_fixed", "VhdFixed", Holds.DISK),
    "vhdx": ("vhdx", "Vhdx", Holds.DISK),
    "qcow2": ("qcow2", "Qcow2", Holds.DISK),
    "vmdk": ("vmdk", "Vmdk", Holds.DISK),
    "raw": ("raw", "Raw", Holds.DISK),
    "iso": ("iso", "Iso", Holds.LIVE),
    "pxe-dir": ("pxe", "PxeDir", Holds.LIVE),
    "pxe-tar": ("pxe", "PxeTar", Holds.LIVE),
    "cosi": ("cosi", "Cosi", Holds.DISK),
    "baremetal-image": ("baremetal", "BaremetalImage", Holds.DISK),
    "tar": ("tar", "Tar", Holds.ROOT),
    "tar-zst": ("tar", "TarZst", Holds.ROOT),
    "directory": ("directory", "Directory", Holds.ROOT),
    "squashfs": ("root_image", "Squashfs", Holds.ROOT),
    "erofs": ("root_image", "Erofs", Holds.ROOT),
    "oci-dir": ("oci", "OciDir", Holds.GUEST),
    "oci-archive": ("oci", "OciArchive", Holds.GUEST),
    "wsl": ("wsl", "Wsl", Holds.GUEST),
    "sysext": ("extension", "Sysext", Holds.EXTENSION),
    "confext": ("extension", "Confext", Holds.EXTENSION),
}
_loaded: dict[str, Format] = {}


def supported() -> tuple[str, ...]:
    """The names of the formats that can be written, sorted."""
    return tuple(sorted(_CLASSES))


def holding(*kinds: Holds) -> tuple[str, ...]:
    """The names of the formats that hold something, in the order of the reference."""
    return tuple(name for name, (_, _, holds) in _CLASSES.items() if holds in kinds)


def _meant(name: str) -> str:
    near = nearest(name, supported())
    return f"did you mean {near[0]}? Else " if near else ""


def by_name(name: str, where: Position | str | None = None) -> Format:
    """The format of a name; raises DockyardError that lists the names there are."""
    if name in _loaded:
        return _loaded[name]
    if name not in _CLASSES:
        raise DockyardError(
            Problem(
                code="formats.unknown",
                what=f"the format {name} cannot be written",
                where=where,
                fix=f"{_meant(name)}use one of: {', '.join(supported())}",
            )
        )
    place, class_name, _ = _CLASSES[name]
    found: Format = getattr(import_module(f"dockyard.formats.{place}"), class_name)()
    return _loaded.setdefault(name, found)
