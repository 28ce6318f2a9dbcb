"""Says what customizing changes in an image: packages, settings, and the room that they take."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from dockyard.cli import terminal
from dockyard.model.package_change import Act, PackageChange, growth

if TYPE_CHECKING:
    from dockyard.pipeline.existing_disk import DiskSource
    from dockyard.pipeline.request import ImageRequest
    from dockyard.pipeline.room import Room
    from dockyard.tree.setting import Setting

_MARKS = {
    Act.INSTALL: ("+", "green"),
    Act.BESIDE: ("+", "green"),
    Act.UPDATE: ("^", "yellow"),
    Act.DOWNGRADE: ("v", "yellow"),
    Act.REMOVE: ("-", "red"),
}


def as_json(request: ImageRequest, source: DiskSource) -> dict[str, object]:
    """For programs. Sizes in bytes; `room`: of the file system that has /usr."""
    changes = source.changes
    packages = changes.changes if changes else ()
    return {
        "packages": [
            {
                "name": each.name,
                "architecture": each.arch,
                "act": str(each.act),
                "before": each.before,
                "after": each.after,
                "size": each.size,
                "asked": each.asked,
                "why": each.why,
            }
            for each in packages
        ],
        "lock": changes.lock_file if changes else "",
        "settings": [each.describe() for each in _settings(request)],
        "growth": growth(packages),
        "room": _room_as_json(_room(request, source)),
    }


def _room_as_json(room: Room | None) -> dict[str, object]:
    if room is None:
        return {"mount": "", "used": 0, "size": 0, "fits": True}
    size, fits = room.partition.size, not room.is_close
    return {"mount": room.places[0], "used": room.used, "size": size, "fits": fits}


def as_text(request: ImageRequest, source: DiskSource) -> list[str]:
    """Lines for a person."""
    changes = source.changes
    packages = changes.changes if changes else ()
    lines = [f"{source.image.name}, {source.family.name}:"]
    lines += [f"  {line}" for line in _package_lines(packages)]
    lines += [f"  {click.style('*', fg='green')} {each.describe()}" for each in _settings(request)]
    if packages:
        size = growth(packages)
        said = f"packages: {'+' if size >= 0 else '-'}{terminal.size(abs(size))}"
        if room := _room(request, source):
            used, whole = terminal.size(room.used), terminal.size(room.partition.size)
            said += f"; {used} of {whole} for {room.places[0]} are in use: {_verdict(room)}"
        lines.append(f"  {said}")
        decided = changes.lock_file if changes and changes.lock_file else "the repositories, now"
        lines.append(f"  decided by: {decided}")
    if len(lines) == 1:
        lines.append("  nothing changes")
    return lines


def _settings(request: ImageRequest) -> Iterator[Setting]:
    yield from request.settings.settings
    yield from request.settings.post_scripts
    yield from request.settings.final_scripts


def _package_lines(changes: tuple[PackageChange, ...]) -> Iterator[str]:
    order = list(_MARKS)
    widths = [max((len(name) for name in column), default=0) for column in (
        [each.name for each in changes], [_versions(each) for each in changes])]  # fmt: skip
    for each in sorted(changes, key=lambda one: (order.index(one.act), one.name)):
        mark, colour = _MARKS[each.act]
        sign = "+" if each.size >= 0 else "-"
        size = f"{sign}{terminal.size(abs(each.size))}"
        name, versions = each.name.ljust(widths[0]), _versions(each).ljust(widths[1])
        yield f"{click.style(mark, fg=colour)} {name}  {versions}  {size:>10}  {each.why}"


def _versions(change: PackageChange) -> str:
    if change.before and change.after:
        return f"{change.before} -> {change.after}"
    return change.before or change.after


def _room(request: ImageRequest, source: DiskSource) -> Room | None:
    """Of the file system that takes what packages bring; None where that is not written anew."""
    from dockyard.pipeline.room import holder_of_programs, rooms

    holder = holder_of_programs(request.layout)
    found = rooms(source, request.layout, request.settings.settings)
    return next((each for each in found if each.partition is holder), None)


def _verdict(room: Room) -> str:
    if room.is_too_small:
        return click.style("it does not fit, unless a script makes room", fg="red")
    return click.style("it may not fit", fg="yellow") if room.is_close else "it fits"
