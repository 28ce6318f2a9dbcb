"""Says what customizing changes in an image: packages, settings, and the room that they take."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from dockyard.cli import terminal
from dockyard.model.package_change import Act, PackageChange, growth

if TYPE_CHECKING:
    from dockyard.pipeline.existing_disk import DiskSource, ExistingPartition
    from dockyard.pipeline.request import ImageRequest
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
        "room": _room(source, growth(packages)),
    }


def as_text(request: ImageRequest, source: DiskSource) -> list[str]:
    """Lines for a person."""
    changes = source.changes
    packages = changes.changes if changes else ()
    lines = [f"{source.image.name}, {source.family.name}:"]
    lines += [f"  {line}" for line in _package_lines(packages)]
    lines += [f"  {click.style('*', fg='green')} {each.describe()}" for each in _settings(request)]
    if packages:
        size = growth(packages)
        room = _room(source, size)
        said = f"{'+' if size >= 0 else '-'}{terminal.size(abs(size))}"
        verdict = "it fits" if room["fits"] else click.style("it does not fit", fg="red")
        used, whole = (terminal.size(int(str(room[key]))) for key in ("used", "size"))
        lines.append(f"  packages: {said}; {room['mount']} has {used} of {whole} in use: {verdict}")
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


def _room(source: DiskSource, more: int) -> dict[str, object]:
    """The file system that takes what packages bring. Its own tables are not known before it is
    written: that it fits is said where a sixteenth is left for them.
    """
    holder = _holder(source)
    if holder is None:
        return {"mount": "", "used": 0, "size": 0, "fits": True}
    fits = holder.used + more <= holder.size - holder.size // 16
    mount = holder.mount or "/"
    return {"mount": mount, "used": holder.used, "size": holder.size, "fits": fits}


def _holder(source: DiskSource) -> ExistingPartition | None:
    return source.mounts.get("/usr") or source.mounts.get("/")
