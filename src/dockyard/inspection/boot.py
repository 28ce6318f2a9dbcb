"""How an image boots: its boot loaders, kernels and entries.

Sources: UAPI Boot Loader Specification (type 1 entries and UKIs), systemd-boot(7), GRUB's manual
(`menuentry`, `linux`, `blscfg`). Of a grub.cfg, which is a program, only the plain commands of its
menu entries are read. What a customization has to know of them is in `disk.boot_files`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

from dockyard.disk.boot_files import joined
from dockyard.disk.grub_environment import variables_of
from dockyard.disk.grub_menu import read_menu
from dockyard.disk.pe import Program
from dockyard.disk.uki import ADDON, addon_folder
from dockyard.errors import DockyardError
from dockyard.inspection.tree import Tree
from dockyard.model.family import ESP_MOUNT, FAMILIES

_ESPS = (ESP_MOUNT, "/efi", "/boot")
_GRUB_FILES = tuple(dict.fromkeys(each.grub for each in FAMILIES if each.grub))
_BLS = ("/boot/loader/entries", f"{ESP_MOUNT}/loader/entries", "/efi/loader/entries")
_UKIS = ("EFI/Linux",)
_MODULES = "/usr/lib/modules"
_LARGEST_UKI = 1 << 30
_LARGEST_LOADER = 64 << 20
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
    kernels = tuple(name for name in tree.names(_MODULES) if tree.names(f"{_MODULES}/{name}"))
    entries = [*_ukis(tree, esp), *_bls(tree, esp), *_grub(tree)]
    return Boot(tuple(dict.fromkeys(_loaders(tree, esp))), kernels, tuple(entries))


def _partition(tree: Tree, esp: Tree | None) -> Iterator[tuple[Tree, str]]:
    """Where an EFI system partition's content is, as a tree and the path in it."""
    if esp is not None:
        yield esp, ""
        return
    for place in _ESPS:
        if tree.entry(f"{place}/EFI"):
            yield tree, place


def _loaders(tree: Tree, esp: Tree | None) -> Iterator[str]:
    """The names of the boot loaders: by their folders, and what firmware starts by default by what
    it is, as it has no other name than BOOTX64.EFI.
    """
    found = [*_installed_loaders(tree, esp)]
    for where, place in _partition(tree, esp):
        for name in where.names(f"{place}/EFI/BOOT"):
            data = where.whole(f"{place}/EFI/BOOT/{name}", _LARGEST_LOADER)
            if name.lower().startswith("boot") and data is not None:
                found += _recognised(data, name)
    yield from dict.fromkeys(found)


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
    if any(tree.entry(f"{path.rpartition('/')[0]}/i386-pc") for path in _GRUB_FILES):
        yield "grub for BIOS"


def _ukis(tree: Tree, esp: Tree | None) -> Iterator[BootEntry]:
    for where, place in _partition(tree, esp):
        for folder in _UKIS:
            at = f"{place}/{folder}"
            for name in where.names(at):
                if name.lower().endswith(".efi"):
                    data = where.whole(f"{at}/{name}", _LARGEST_UKI)
                    if data is not None:
                        yield _uki(where, f"{at}/{name}", data)


def _uki(where: Tree, path: str, data: bytes) -> BootEntry:
    name = path.rpartition("/")[2]
    try:
        program = Program(data, name)
    except DockyardError:
        return BootEntry("uki", name, path, "", "")
    parts = {each: _section(program, each) for each in (".osrel", ".uname", ".cmdline")}
    release = variables(parts[".osrel"])
    title = release.get("PRETTY_NAME") or name
    added = [addon for addon in _addons(where, path) if addon]
    line = " ".join([*([parts[".cmdline"]] if parts[".cmdline"] else []), *added])
    return BootEntry("uki", title, path, parts[".uname"], line)


def _addons(where: Tree, uki: str) -> Iterator[str]:
    """The words that addons put behind the command line of a UKI (systemd-stub(7))."""
    for name in where.names(addon_folder(uki)):
        path = f"{addon_folder(uki)}/{name}"
        data = where.whole(path, _LARGEST_UKI) if name.lower().endswith(ADDON) else None
        if data is not None:
            with suppress(DockyardError):
                yield _section(Program(data, name), ".cmdline")


def _section(program: Program, name: str) -> str:
    return (program.content(name) or b"").decode(errors="replace").strip("\0 \n")


def _bls(tree: Tree, esp: Tree | None) -> Iterator[BootEntry]:
    environment = _grub_environment(tree)
    places = [(tree, place) for place in _BLS]
    places += [(esp, "/loader/entries")] if esp is not None else []
    seen = set()
    for where, place in places:
        for name in where.names(place):
            text = where.text(f"{place}/{name}") if name.endswith(".conf") else None
            if text is None or name in seen:
                continue
            seen.add(name)
            fields = _fields(text)
            options = _expanded(fields.get("options", ""), environment)
            kernel = fields.get("version") or fields.get("linux") or fields.get("efi", "")
            yield BootEntry("bls", fields.get("title", name), f"{place}/{name}", kernel, options)


def _fields(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in text.splitlines():
        key, _, value = line.strip().partition(" ")
        if not key or key.startswith("#"):
            continue
        value = value.strip()
        found[key] = f"{found[key]} {value}" if key == "options" and key in found else value
    return found


def _grub_environment(tree: Tree) -> dict[str, str]:
    """The variables of GRUB's environment block, which entries name as `$kernelopts`."""
    for path in _GRUB_FILES:
        text = tree.text(f"{path.rpartition('/')[0]}/grubenv")
        if text is not None:
            return variables_of(text)
    return {}


def _expanded(options: str, environment: Mapping[str, str]) -> str:
    words = options.split()
    found = (environment.get(word[1:], word) if word[:1] == "$" else word for word in words)
    return " ".join(word for word in found if word)


def _grub(tree: Tree) -> Iterator[BootEntry]:
    for path in _GRUB_FILES:
        with suppress(DockyardError):
            for entry in read_menu(tree.text(path) or "", path).entries:
                yield BootEntry("grub", entry.title, path, entry.kernel, joined(entry.words))


def variables(text: str) -> dict[str, str]:
    """The variables of os-release(5) and files like it, without their quotes."""
    found = {}
    for line in text.splitlines():
        name, equals, value = line.strip().partition("=")
        if equals and not name.startswith("#"):
            value = value.strip()
            if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
                value = value[1:-1]
            found[name.strip()] = re.sub(r"\\(.)", r"\1", value)
    return found
