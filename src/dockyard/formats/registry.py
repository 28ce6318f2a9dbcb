"""Finds a format by the name that an image file gives it. Loaded is the one that is asked for."""

from __future__ import annotations

from importlib import import_module

from dockyard.errors import DockyardError, Position, Problem
from dockyard.formats.parts import Format
from dockyard.model.nearest import nearest

# name -> module below dockyard.formats, class
_CLASSES = {
    "raw": ("raw", "Raw"),
    "qcow2": ("qcow2", "Qcow2"),
    "vhd": ("vhd", "Vhd"),
    "vhd-fixed": ("vhd_fixed", "VhdFixed"),
    "vhdx": ("vhdx", "Vhdx"),
    "cosi": ("cosi", "Cosi"),
    "baremetal-image": ("baremetal", "BaremetalImage"),
    "tar": ("tar", "Tar"),
    "tar-zst": ("tar", "TarZst"),
    "iso": ("iso", "Iso"),
    "pxe-dir": ("pxe", "PxeDir"),
    "pxe-tar": ("pxe", "PxeTar"),
}
_loaded: dict[str, Format] = {}


def supported() -> tuple[str, ...]:
    """The names of the formats that can be written, sorted."""
    return tuple(sorted(_CLASSES))


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
    place, class_name = _CLASSES[name]
    found: Format = getattr(import_module(f"dockyard.formats.{place}"), class_name)()
    return _loaded.setdefault(name, found)
