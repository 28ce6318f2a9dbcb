"""What a file system, or the program that writes it, cannot hold: rules, and refusals by path."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from dockyard.archive import Archive, Entry
from dockyard.archive.entry import path_text
from dockyard.errors import DockyardError, Problem

_PATHS_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit of a file system: `breaks` is true for the entries that it cannot hold."""

    code: str
    what: str
    breaks: Callable[[Entry], object]
    fix: str = ""


LONG_NAME = Limit("long-name", "names of more than 255 bytes", lambda e: len(e.name) > 255)
LONG_TARGET = Limit(
    "long-target", "symbolic links of more than 4095 bytes", lambda e: len(e.target) > 4095
)
DEVICE_NUMBER = Limit(
    "device-number",
    "devices with a major number over 4095 or a minor number over 1048575",
    lambda e: e.rdev[0] > 4095 or e.rdev[1] > 1048575,
)


def refusals(archive: Archive, name: str, rules: Iterable[Limit]) -> list[Problem]:
    """One problem for each rule that some entry breaks."""
    broken: dict[str, list[bytes]] = {}
    known = tuple(rules)
    for entry in archive:
        for rule in known:
            if rule.breaks(entry):
                broken.setdefault(rule.code, []).append(entry.path)
    return [
        _refusal(name, rule, [path_text(path) for path in broken[rule.code]])
        for rule in known
        if rule.code in broken
    ]


def _refusal(name: str, rule: Limit, paths: list[str]) -> Problem:
    more = len(paths) - _PATHS_SHOWN
    listed = paths[:_PATHS_SHOWN] + ([f"and {more} more"] if more > 0 else [])
    return Problem(
        code=f"filesystems.{rule.code}",
        what=f"{name} cannot hold {rule.what}",
        where=paths[0],
        fix=rule.fix or "remove them from the image, or choose ext4 or erofs for this file system",
        excerpt=tuple(listed) if len(paths) > 1 else (),
    )


def check_label(name: str, label: str, longest: int) -> None:
    """Raise DockyardError for a label that a file system cannot hold; programs cut it silently."""
    if len(label.encode()) > longest:
        raise DockyardError(
            Problem(
                code="filesystems.long-label",
                what=f"the label {label} is too long for {name}",
                why=f"it holds {longest} bytes",
                fix="choose a shorter label",
            )
        )
