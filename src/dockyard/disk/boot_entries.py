"""Entries of the UAPI Boot Loader Specification, type 1: one file each, lines `key value`.

GRUB and systemd-boot both read them, and differ in one thing: to GRUB `options` is a part of a
script, with variables and quotes of its own (its `blscfg`), to systemd-boot it is the command line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from dockyard.disk.command_words import CommandLineChange, renamed, words_of
from dockyard.disk.grub_menu import KERNEL_OPTIONS, argument

_OPTIONS = re.compile(r"^(?P<before>[ \t]*options[ \t]+)(?P<value>[^\n]*)", re.MULTILINE)
_NAMES_OPTIONS = re.compile(rf"\$(?:{KERNEL_OPTIONS}\b|\{{{KERNEL_OPTIONS}\}})")


@dataclass(frozen=True, slots=True)
class Fields:
    """What an entry says. options: all lines of them, joined; kernel: the file it starts."""

    title: str
    version: str
    kernel: str
    initrds: tuple[str, ...]
    options: str


def fields_of(text: str) -> Fields:
    """What an entry says."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        key, _, value = line.strip().partition(" ")
        if key and not key.startswith("#"):
            found.setdefault(key, []).append(value.strip())
    last = {key: values[-1] for key, values in found.items()}
    return Fields(
        title=last.get("title", ""),
        version=last.get("version", ""),
        kernel=last.get("linux") or last.get("efi", ""),
        initrds=tuple(word for line in found.get("initrd", ()) for word in line.split()),
        options=" ".join(found.get("options", ())),
    )


def names_options(text: str) -> bool:
    """Whether an entry takes its options from GRUB's variable `kernelopts`."""
    return any(_NAMES_OPTIONS.search(match["value"]) for match in _OPTIONS.finditer(text))


def changed_entry(text: str, change: CommandLineChange, *, by_grub: bool) -> str:
    """An entry with another command line; all other bytes stay.

    by_grub: whether GRUB reads it. Raises DockyardError for words that GRUB cannot hand on.
    """
    added = [argument(word) if by_grub else word for word in change.added]
    lines = list(_OPTIONS.finditer(text))
    pieces, done = [], 0
    for number, match in enumerate(lines):
        old = words_of(match["value"])
        new = [word for word in old if not change.takes(word.replace("'", ""))]
        if number == len(lines) - 1:
            new += added
        if tuple(new) != old:
            pieces += [text[done : match.start("value")], " ".join(new)]
            done = match.end("value")
    text = "".join([*pieces, text[done:]])
    if added and not lines:
        ended = text if not text or text.endswith("\n") else f"{text}\n"
        text = f"{ended}options {' '.join(added)}\n"
    return renamed(text, change.ids)


def entry_text(fields: Fields) -> str:
    """A new entry."""
    lines = [
        f"title {fields.title}",
        f"version {fields.version}",
        f"linux {fields.kernel}",
        *(f"initrd {path}" for path in fields.initrds),
        f"options {fields.options}",
    ]
    return "".join(f"{line}\n" for line in lines)
