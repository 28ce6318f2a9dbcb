"""How an image boots: its boot loaders, kernels and entries.

Sources: UAPI Boot Loader Specification (type 1 entries and UKIs), systemd-boot(7), GRUB's manual
(`menuentry`, `linux`, `blscfg`). Of a grub.cfg, which is a program, only the plain commands of its
menu entries are read. What a customization has to know of them is in `disk.boot_files`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from dockyard.disk.boot_entries import fields_of
from dockyard.disk.boot_files import (
    ENTRIES,
    ESPS,
    MENUS,
    UKIS,
    addons,
    joined,
    kernels_in,
    section_text,
)
from dockyard.disk.grub_environment import variables_of
from dockyard.disk.grub_menu import read_menu
from dockyard.disk.pe import Program
from dockyard.disk.uki import COMMAND_LINE
from dockyard.errors import DockyardError
from dockyard.inspection.tree import Tree
from dockyard.model import family
from dockyard.model.os_release import variables

_LARGEST_LOADER = 64 << 20
_FOR_BIOS = "grub for BIOS"
_GRUB_CODE = b"GRUB \0Geom\0"  # what it prints (grub-core/boot/i386/pc/boot.S)
# Sections that tell of a boot loader: GRUB's modules, systemd-boot's name, shim's line of SBAT.
_MARKS = (("mods", "grub"), (".sdmagic", "systemd-boot"), (".sbat", "shim"))


@dataclass(frozen=True, slots=True)
class BootEntry:
    """Something that can be booted. kind: `uki`, `bls` or `grub`. path: of the UKI, the entry or
    the menu. kernel: its release, or the file that is started. command_line: of the kernel.
    """

    kind: str
    title: str
    path: str
    kernel: str
    command_line: str


@dataclass(frozen=True, slots=True)
class Boot:
    """loaders: names of those that are there. kernels: releases that have modules."""

    loaders: tuple[str, ...]
    kernels: tuple[str, ...]
    entries: tuple[BootEntry, ...]

    @property
    def command_lines(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(each.command_line for each in self.entries))


def boot_of(tree: Tree, esp: Tree | None) -> Boot:
    """How a system boots. esp: the EFI system partition, mounted or not."""
    entries = [*_ukis(tree, esp), *_bls(tree, esp), *_grub(tree)]
    return Boot(tuple(dict.fromkeys(_loaders(tree, esp))), kernels_in(tree), tuple(entries))


def with_first_code(boot: Boot, code: bytes) -> Boot:
    """The same with the boot loader that a BIOS starts, which is outside of all file systems.

    code: of the disk's first sector.
    """
    found = (_FOR_BIOS,) if _GRUB_CODE in code else ()
    return replace(boot, loaders=tuple(dict.fromkeys((*boot.loaders, *found))))


def _partition(tree: Tree, esp: Tree | None) -> Iterator[tuple[Tree, str]]:
    """Where an EFI system partition's content is, as a tree and the path in it."""
    if esp is not None:
        yield esp, ""
        return
    for place in ESPS:
        if tree.entry(f"{place}/EFI"):
            yield tree, place


def _loaders(tree: Tree, esp: Tree | None) -> Iterator[str]:
    """The names of the boot loaders: by their folders, and what firmware starts by default by what
    it is, as it has no other name than BOOTX64.EFI or the like.
    """
    yield from _installed_loaders(tree, esp)
    for where, place in _partition(tree, esp):
        for name in where.names(f"{place}/EFI/BOOT"):
            data = where.whole(f"{place}/EFI/BOOT/{name}", _LARGEST_LOADER)
            if name.lower().startswith("boot") and data is not None:
                yield from _recognised(data, name)


def _recognised(data: bytes, name: str) -> Iterator[str]:
    """What a boot loader is, by the sections that its build gives it."""
    try:
        program = Program(data, name)
    except DockyardError:
        return
    for section, loader in _MARKS:
        content = program.content(section)
        if content is not None and (section != ".sbat" or b"\nshim," in content):
            yield loader


def _installed_loaders(tree: Tree, esp: Tree | None) -> Iterator[str]:
    for where, place in _partition(tree, esp):
        folder = f"{place}/EFI"
        known = {name.lower(): name for name in where.names(folder)}
        if "systemd" in known:
            yield "systemd-boot"
        for name in known.values():
            programs = [each.lower() for each in where.names(f"{folder}/{name}")]
            if any(each.startswith("shim") for each in programs):
                yield "shim"
            if any(each.startswith("grub") and each.endswith(".efi") for each in programs):
                yield "grub"
    if any(tree.entry(f"{at}/i386-pc") for at in MENUS):
        yield _FOR_BIOS


def _ukis(tree: Tree, esp: Tree | None) -> Iterator[BootEntry]:
    for where, place in _partition(tree, esp):
        for name in where.names(f"{place}/{UKIS}"):
            path = f"{place}/{UKIS}/{name}"
            content = where.content(path) if name.lower().endswith(".efi") else None
            if content is not None:
                yield _uki(where, path, content)


def _uki(where: Tree, path: str, content: bytes) -> BootEntry:
    name = path.rpartition("/")[2]
    try:
        program = Program(content, name)
    except DockyardError:
        return BootEntry("uki", name, path, "", "")
    title = variables(section_text(program, ".osrel")).get("PRETTY_NAME") or name
    words = [section_text(program, COMMAND_LINE), *(added for _, added in addons(where, path))]
    line = " ".join(each for each in words if each)
    return BootEntry("uki", title, path, section_text(program, ".uname"), line)


def _bls(tree: Tree, esp: Tree | None) -> Iterator[BootEntry]:
    environment = _grub_environment(tree)
    # What is in /boot is shown before what is on the partition for it.
    places = [(tree, f"{at}/{ENTRIES}") for at in reversed(ESPS)]
    places += [(esp, f"/{ENTRIES}")] if esp is not None else []
    seen = set()
    for where, place in places:
        for name in where.names(place):
            text = where.text(f"{place}/{name}") if name.endswith(".conf") else None
            if text is None or name in seen:
                continue
            seen.add(name)
            fields = fields_of(text)
            kernel = fields.version or fields.kernel
            options = _expanded(fields.options, environment)
            yield BootEntry("bls", fields.title or name, f"{place}/{name}", kernel, options)


def _grub_environment(tree: Tree) -> dict[str, str]:
    """The variables of GRUB's environment block, which entries name as `$kernelopts`."""
    for at in MENUS:
        text = tree.text(f"{at}/grubenv")
        if text is not None:
            return variables_of(text)
    return {}


def _expanded(options: str, environment: Mapping[str, str]) -> str:
    words = options.split()
    found = (environment.get(word[1:], word) if word[:1] == "$" else word for word in words)
    return " ".join(word for word in found if word)


def _grub(tree: Tree) -> Iterator[BootEntry]:
    for path in family.MENUS:
        with suppress(DockyardError):
            for entry in read_menu(tree.text(path) or "", path).entries:
                yield BootEntry("grub", entry.title, path, entry.kernel, joined(entry.words))
