"""What a format may tell of the system on a disk, beside the disk itself.

Formats do not look into file systems: who has an image written hands them a function that does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TypeAlias

from dockyard.model.architecture import Architecture


class EntryKind(StrEnum):
    """An entry of systemd-boot: a UKI by itself, a file that names one, a file that names a kernel
    and an initrd.
    """

    UKI = "uki-standalone"
    UKI_FILE = "uki-config"
    FILE = "config"


@dataclass(frozen=True, slots=True)
class LoaderEntry:
    """path: absolute, from the root. kernel: its release."""

    kind: EntryKind
    path: str
    command_line: str
    kernel: str


@dataclass(frozen=True, slots=True)
class SystemPackage:
    name: str
    version: str
    release: str
    architecture: str


@dataclass(frozen=True, slots=True)
class VerityOf:
    """The hash tree of a file system. root_hash: in hex. hashes: the number of the partition that
    has it. offset: bytes, where it is within the partition of its data; None where it has its own.
    """

    root_hash: str
    hashes: int
    offset: int | None = None


@dataclass(frozen=True, slots=True)
class MountedSystem:
    """A file system that is mounted. number: of its partition. kind: as mount(8) names it."""

    number: int
    kind: str
    uuid: str
    mount: str
    verity: VerityOf | None = None


@dataclass(frozen=True, slots=True)
class System:
    """release: the text of os-release(5). loader: `systemd-boot` or `grub`; empty where neither
    was found. id: the UUID that the image says of itself; empty where it says none.
    """

    architecture: Architecture | None
    release: str
    loader: str
    entries: tuple[LoaderEntry, ...]
    packages: tuple[SystemPackage, ...]
    mounted: tuple[MountedSystem, ...]
    id: str = ""


Describe: TypeAlias = Callable[[Path, int], System]
"""Tells what system is on a raw disk: the first so many bytes of a file. Raises DockyardError."""
