"""Chooses systemd units for an initrd and follows what they cannot do without.

Of a unit's dependencies only those are followed without which it fails or does nothing
(Requires=, BindsTo=, Sockets=, Unit=, … of systemd.unit(5)); a Wants= or a `.wants` link counts
only when the wanted unit is chosen anyway. So a newer systemd with further services brings none of
them in by accident.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from dockyard.initrd.contents import Contents

UNITS = "/usr/lib/systemd/system"

_NEEDS = frozenset(
    ("Requires", "Requisite", "BindsTo", "OnFailure", "OnSuccess", "Sockets", "Service", "Unit")
)
_EXEC = re.compile(r"Exec(?:Start|StartPre|StartPost|Stop|StopPost|Reload|Condition)$")
_TEMPLATE = re.compile(r"^([^@]+@)[^.]*(\.[a-z]+)$")


def settings(text: str) -> Iterable[tuple[str, str]]:
    """The (key, value) pairs of a unit file; lines that end in a backslash are joined."""
    for line in re.sub(r"\\\n", " ", text).splitlines():
        line = line.strip()
        if line and line[0] not in "#;[":
            key, _, value = line.partition("=")
            yield key.strip(), value.strip()


def template_of(unit: str) -> str:
    """The template's file name for an instance (`modprobe@loop.service`), else the name itself."""
    return _TEMPLATE.sub(r"\1\2", unit)


def add_units(contents: Contents, seeds: Iterable[str]) -> tuple[str, ...]:
    """Add units, what they need, their drop-ins, programs and `.wants` links; returns the names."""
    chosen: set[str] = set()
    pending = [(seed, True) for seed in seeds]
    while pending:
        name, required = pending.pop()
        unit = template_of(name)
        if unit in chosen or "%" in unit:
            continue
        if not contents.add(f"{UNITS}/{unit}"):
            if required:
                contents.lacks(f"{UNITS}/{unit}", "a unit of every systemd initrd")
            continue
        chosen.add(unit)
        for text in _texts(contents, unit):
            for key, value in settings(text):
                if key in _NEEDS:
                    pending += [(other, False) for other in value.split()]
                elif _EXEC.match(key):
                    _add_program(contents, unit, value)
    _add_links(contents, chosen)
    return tuple(sorted(chosen))


def _texts(contents: Contents, unit: str) -> list[str]:
    """The unit's file and its drop-ins, which are added to the contents."""
    texts = [contents.root.text(f"{UNITS}/{unit}") or ""]
    kind = unit.rpartition(".")[2]
    for folder in (f"{UNITS}/{unit}.d", f"{UNITS}/{kind}.d"):
        for name in contents.root.names(folder):
            if name.endswith(".conf") and contents.add(f"{folder}/{name}"):
                texts.append(contents.root.text(f"{folder}/{name}") or "")
    return texts


def _add_program(contents: Contents, unit: str, command: str) -> None:
    words = command.split()
    if not words:
        return
    program = words[0].lstrip("@-:+!|")
    prefix = words[0][: len(words[0]) - len(program)]
    if not program or "%" in program:
        return
    if not contents.program(program) and "-" not in prefix:
        contents.lacks(program, f"the unit {unit}")


def _add_links(contents: Contents, chosen: set[str]) -> None:
    for unit in sorted(chosen):
        for suffix in ("wants", "requires"):
            folder = f"{UNITS}/{unit}.{suffix}"
            for name in contents.root.names(folder):
                if template_of(name) in chosen:
                    contents.add(f"{folder}/{name}")
