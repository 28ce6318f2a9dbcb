"""Finds a format by the name that an image file gives it."""

from __future__ import annotations

from dockyard.errors import DockyardError, Position, Problem
from dockyard.formats import qcow2, raw, tar, vhd_fixed
from dockyard.formats.parts import Format
from dockyard.model.output import ImageFormat

_FORMATS: dict[str, Format] = {
    format_.name: format_
    for format_ in (raw.Raw(), qcow2.Qcow2(), vhd_fixed.VhdFixed(), tar.Tar(), tar.TarZst())
}


def supported() -> tuple[str, ...]:
    """The names of the formats that can be written, sorted."""
    return tuple(sorted(_FORMATS))


def by_name(name: str, where: Position | None = None) -> Format:
    """The format of a name; raises DockyardError that lists the names there are."""
    if name not in _FORMATS:
        raise DockyardError(
            Problem(
                code="formats.unknown",
                what=f"the format {name} cannot be written",
                where=where,
                why="it is valid, but building does not write it yet"
                if name in {*ImageFormat}
                else "",
                fix=f"use one of: {', '.join(supported())}",
            )
        )
    return _FORMATS[name]
