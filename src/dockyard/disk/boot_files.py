"""The files by which a root boots: menus, entries, UKIs and settings, and which kind of boot it is.

Sources: UAPI Boot Loader Specification (type 1 entries and UKIs), systemd-boot(7), systemd-stub(7),
GRUB's manual (grub.cfg, `blscfg`, grubenv).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from dockyard.disk import efi
from dockyard.disk.boot_entries import fields_of, names_options
from dockyard.disk.command_words import words_of
from dockyard.disk.grub_environment import variables_of
from dockyard.disk.grub_menu import KERNEL_OPTIONS, Menu, read_menu
from dockyard.disk.grub_settings import MORE_SETTINGS, SETTINGS
from dockyard.disk.pe import Program
from dockyard.disk.uki import ADDON, COMMAND_LINE, addon_folder
from dockyard.errors import DockyardError
from dockyard.model import family
from dockyard.model.digits import number_in

MODULES = "/usr/lib/modules"
KERNEL_COMMAND_LINE = "/etc/kernel/cmdline"  # from which kernel-install(8) makes entries and UKIs
ESPS = (family.ESP_MOUNT, "/efi", "/boot")
MENUS = tuple(path.rpartition("/")[0] for path in family.MENUS)
ENTRIES = "loader/entries"
UKIS = "EFI/Linux"
KERNELS = tuple(f"/{place}" for place in efi.KERNELS)
INITRDS = (*family.INITRDS, "/boot/initrd-{}")
_STUB = re.compile(rb"^systemd-stub,.*,systemd,(\d+)", re.MULTILINE)


class BootKind(StrEnum):
    """How an image comes to its kernel."""

    GRUB_MENU = "grub"  # entries written out in grub.cfg
    GRUB_ENTRIES = "grub-entries"  # entries of the Boot Loader Specification, which GRUB shows
    ENTRIES = "systemd-boot"  # the same, shown by systemd-boot
    UKIS = "uki"  # unified kernel images, which systemd-boot finds

    @property
    def by_grub(self) -> bool:
        return self in (BootKind.GRUB_MENU, BootKind.GRUB_ENTRIES)


class Reader(Protocol):
    """A tree to read from. Paths are absolute."""

    def names(self, directory: str) -> Sequence[str]:
        """The names in a directory; none where there is no such directory."""

    def content(self, path: str) -> bytes | None:
        """What a regular file holds; None where there is none."""


@dataclass(frozen=True, slots=True)
class FoundUki:
    """A UKI. version: of its kernel. addons: paths, and the words that each adds. stub: the version
    of systemd that its stub is of; 0 where it does not say.
    """

    path: str
    version: str
    command_line: str
    addons: tuple[tuple[str, str], ...]
    is_signed: bool
    stub: int

    @property
    def whole_command_line(self) -> str:
        """What the kernel is given: the stub puts the words of addons last, by their names."""
        return " ".join(text for text in (self.command_line, *(a for _, a in self.addons)) if text)


@dataclass(frozen=True, slots=True)
class BootFiles:
    """How a root boots. kind: None for what is none of those. esp: where the EFI system partition
    is mounted; empty where it is not. menus, entries: texts by path. environment: GRUB's variables,
    and the paths of their files. settings: paths of what menus are made from in a running machine.
    kernels: releases that have modules.
    """

    kind: BootKind | None
    esp: str
    menus: tuple[tuple[str, str], ...]
    entries: tuple[tuple[str, str], ...]
    environments: tuple[str, ...]
    ukis: tuple[FoundUki, ...]
    settings: tuple[str, ...]
    kernels: tuple[str, ...]
    command_lines: tuple[str, ...]


def boot_files(tree: Reader) -> BootFiles:
    """How a root boots, with all that is mounted in it. Raises DockyardError for a menu that is no
    script.
    """
    esp = next((at for at in ESPS if _named(tree, at, "EFI")), "")
    menus = tuple(_menus(tree, esp))
    read = [read_menu(text, path) for path, text in menus]
    shown = any(menu.uses_entries for menu in read)
    entries = tuple(_entries(tree, ("/boot",) if shown else (esp, "/boot")))
    environments = tuple(f"{at}/grubenv" for at in MENUS if tree.content(f"{at}/grubenv"))
    ukis = tuple(_ukis(tree, esp)) if esp else ()
    kind = _kind(tree, esp, read, entries, ukis)
    paths = (SETTINGS, *(f"{MORE_SETTINGS}/{name}" for name in tree.names(MORE_SETTINGS)
                         if name.endswith(".cfg")), KERNEL_COMMAND_LINE)  # fmt: skip
    return BootFiles(
        kind=kind,
        esp=esp,
        menus=menus,
        entries=entries,
        environments=environments,
        ukis=ukis,
        settings=tuple(path for path in paths if tree.content(path) is not None),
        kernels=kernels_in(tree),
        command_lines=tuple(_lines(tree, kind, read, entries, environments, ukis)),
    )


def kernels_in(tree: Reader) -> tuple[str, ...]:
    """The releases of kernels that have modules."""
    return tuple(name for name in tree.names(MODULES) if tree.names(f"{MODULES}/{name}"))


def _named(tree: Reader, at: str, name: str) -> str | None:
    """How a directory spells a name: FAT tells no upper case from lower."""
    return next((each for each in tree.names(at) if each.lower() == name.lower()), None)


def _menus(tree: Reader, esp: str) -> Iterator[tuple[str, str]]:
    places = list(MENUS)
    if esp:
        vendors = f"{esp}/{_named(tree, esp, 'EFI')}"
        places += [f"{vendors}/{name}" for name in tree.names(vendors)]
        places += [f"{esp}/boot/{name}" for name in ("grub2", "grub")]
        places += [f"{esp}/{name}" for name in ("grub2", "grub")]
    for place in dict.fromkeys(places):
        content = tree.content(f"{place}/grub.cfg")
        if content is not None:
            yield f"{place}/grub.cfg", content.decode(errors="surrogateescape")


def _entries(tree: Reader, roots: Iterable[str]) -> Iterator[tuple[str, str]]:
    for root in dict.fromkeys(each for each in roots if each):
        for name in tree.names(f"{root}/{ENTRIES}"):
            path = f"{root}/{ENTRIES}/{name}"
            content = tree.content(path) if name.endswith(".conf") else None
            if content is not None:
                yield path, content.decode(errors="surrogateescape")


def _ukis(tree: Reader, esp: str) -> Iterator[FoundUki]:
    for name in tree.names(f"{esp}/{UKIS}"):
        path = f"{esp}/{UKIS}/{name}"
        content = tree.content(path) if name.lower().endswith(".efi") else None
        program = None if content is None else _program(content, name)
        if program is not None and program.exact(".linux") is not None:
            yield FoundUki(
                path,
                section_text(program, ".uname"),
                section_text(program, COMMAND_LINE),
                tuple(addons(tree, path)),
                program.is_signed,
                _stub(program),
            )


def addons(tree: Reader, uki: str) -> Iterator[tuple[str, str]]:
    """The paths of the addons of a UKI that have words, and those. uki: its path."""
    folder = addon_folder(uki)
    for name in tree.names(folder):
        content = tree.content(f"{folder}/{name}") if name.lower().endswith(ADDON) else None
        program = None if content is None else _program(content, name)
        if program is not None and program.exact(COMMAND_LINE) is not None:
            yield f"{folder}/{name}", section_text(program, COMMAND_LINE)


def _program(content: bytes, name: str) -> Program | None:
    try:
        return Program(content, name)
    except DockyardError:
        return None


def section_text(program: Program, section: str) -> str:
    """The text in a section; empty where there is none."""
    return (program.exact(section) or b"").decode(errors="replace").strip("\0 \n")


def _stub(program: Program) -> int:
    found = _STUB.search(program.content(".sbat") or b"")
    return number_in(found[1].decode()) or 0 if found else 0


def _kind(
    tree: Reader,
    esp: str,
    menus: Sequence[Menu],
    entries: Sequence[tuple[str, str]],
    ukis: Sequence[FoundUki],
) -> BootKind | None:
    has_systemd_boot = bool(esp) and _named(tree, f"{esp}/EFI", "systemd") is not None
    shows = any(menu.uses_entries for menu in menus)
    written = any(menu.entries for menu in menus)
    if ukis and (has_systemd_boot or not (shows or written)):
        return BootKind.UKIS
    if entries and shows:
        return BootKind.GRUB_ENTRIES
    if entries and has_systemd_boot:
        return BootKind.ENTRIES
    return BootKind.GRUB_MENU if written else None


def _lines(
    tree: Reader,
    kind: BootKind | None,
    menus: Sequence[Menu],
    entries: Sequence[tuple[str, str]],
    environments: Sequence[str],
    ukis: Sequence[FoundUki],
) -> Iterator[str]:
    """The command lines of a kind of boot, variables as they are but for `kernelopts`."""
    if kind is BootKind.UKIS:
        yield from (uki.whole_command_line for uki in ukis)
    if kind is BootKind.GRUB_MENU:
        for menu in menus:
            yield from (joined(entry.words) for entry in menu.entries)
    if kind in (BootKind.GRUB_ENTRIES, BootKind.ENTRIES):
        options = _options(tree, menus, environments)
        for _, text in entries:
            own = fields_of(text).options
            if names_options(text):
                own = " ".join(options if word.strip("${}") == KERNEL_OPTIONS else word
                               for word in words_of(own))  # fmt: skip
            yield own or options


def _options(tree: Reader, menus: Sequence[Menu], environments: Sequence[str]) -> str:
    """What GRUB's `kernelopts` stands for."""
    for path in environments:
        block = (tree.content(path) or b"").decode(errors="surrogateescape")
        if (found := variables_of(block).get(KERNEL_OPTIONS)) is not None:
            return found
    return next((menu.options for menu in menus if menu.options is not None), "")


def joined(values: Iterable[str]) -> str:
    """A command line of values, those with blanks in quotes as the kernel takes them."""
    return " ".join(f'"{value}"' if " " in value else value for value in values)
