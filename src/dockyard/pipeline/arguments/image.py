"""What the steps are called with that make the parts of an image of its root tree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from dockyard.archive import Entry
from dockyard.disk.grub import BootPlace
from dockyard.engine.codec import Beside
from dockyard.errors import Position
from dockyard.filesystems.spec import SubvolumeSpec
from dockyard.initrd.options import EarlyMount, InitrdFeature
from dockyard.model.architecture import Architecture
from dockyard.model.family import BootLoader, Grub, Packaging
from dockyard.model.filesystems import FileSystemType
from dockyard.pipeline.arguments.existing import ExistingDisk


@dataclass(frozen=True, slots=True)
class MergeRoot:
    """The layers of a root, to be merged. labels: the name of the result with SELinux labels."""

    below: Beside[tuple[str, ...]]
    epoch: int
    labels: Beside[str | None] = None


@dataclass(frozen=True, slots=True)
class NoteExpectations:
    """root: the name of the result with the merged root. packaging: of the distribution. esp: where
    the EFI system partition is mounted.
    """

    root: Beside[str]
    below: Beside[tuple[str, ...]]
    packaging: Packaging
    esp: str


@dataclass(frozen=True, slots=True)
class MakeInitrd:
    """filesystems: kinds that it mounts. modules: further ones. features: what it can do beyond.
    mounts: what it mounts before the root is set up.
    """

    dracut: bool
    filesystems: tuple[str, ...]
    modules: tuple[str, ...]
    below: Beside[tuple[str, ...]]
    epoch: int
    features: tuple[InitrdFeature, ...] = ()
    mounts: tuple[EarlyMount, ...] = ()


@dataclass(frozen=True, slots=True)
class TakeKernel:
    below: Beside[tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Found:
    """A text that a step finds: a file of its result."""

    step: str
    file: str


@dataclass(frozen=True, slots=True)
class MakeUki:
    """command_line: words, in which `{NAME}` stands for what is found. name: of the image. loader:
    whose stub it starts with."""

    name: str
    command_line: tuple[str, ...]
    loader: BootLoader
    architecture: Architecture
    below: Beside[tuple[str, ...]]
    found: Mapping[str, Found] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WriteGrub:
    """grub: with the names for the architecture. command_line, found: as of MakeUki. menu: the path
    of GRUB's. place: where it finds /boot.
    esp: where the EFI system partition is mounted. written: whether the entry is in the menu, and
    no file of its own.
    """

    grub: Grub
    menu: str
    place: BootPlace
    command_line: tuple[str, ...]
    esp: str
    below: Beside[tuple[str, ...]]
    epoch: int
    written: bool = False
    found: Mapping[str, Found] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WriteMenu:
    """A menu of one entry for the GRUB of a BIOS; the fields are those of WriteGrub."""

    menu: str
    place: BootPlace
    command_line: tuple[str, ...]
    below: Beside[tuple[str, ...]]
    epoch: int
    found: Mapping[str, Found] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MakeBios:
    """What a BIOS starts. menu, place: see WriteGrub. start, size: of the BIOS boot partition, in
    bytes.
    """

    menu: str
    place: BootPlace
    start: int
    size: int
    position: Beside[Position | None] = None


@dataclass(frozen=True, slots=True)
class PlacedSubvolume:
    """A subvolume that is to be written. mount: where it is in the tree; None for one that keeps
    what it holds, or is new and empty.
    """

    subvolume: SubvolumeSpec
    mount: str | None


@dataclass(frozen=True, slots=True)
class Original:
    """The file system of an image that exists: of which disk, start and size in bytes."""

    disk: ExistingDisk
    start: int
    size: int


@dataclass(frozen=True, slots=True)
class WriteFilesystem:
    """The file system of one partition, to be written.

    size: bytes. mount: where it is mounted, if anywhere; others: where all others are. root: the
    name of the result with the merged root. uki: of the step that makes what it boots, for the EFI
    system partition, which has the boot loader, too. grub: whether GRUB reads it. subvolumes: of
    btrfs. original: what it takes those from that are not part of the tree. beneath: directories of
    mount points that are in it, where they are not what is mounted there: by their whole paths.
    """

    key: str
    type: FileSystemType
    size: int
    uuid: UUID
    label: str
    hash_seed: UUID | None
    options: Mapping[str, str]
    mount: str | None
    others: tuple[str, ...]
    loader: BootLoader
    architecture: Architecture
    epoch: int
    root: Beside[str]
    below: Beside[tuple[str, ...]]
    uki: str | None = None
    grub: bool = False
    subvolumes: tuple[PlacedSubvolume, ...] = ()
    original: Original | None = None
    beneath: tuple[Entry, ...] = ()
    position: Beside[Position | None] = None


@dataclass(frozen=True, slots=True)
class ProveFilesystem:
    """written: the name of the result that is to be read back."""

    filesystem: WriteFilesystem
    written: str


@dataclass(frozen=True, slots=True)
class MakeSwap:
    """size: bytes."""

    uuid: UUID
    label: str
    size: int


@dataclass(frozen=True, slots=True)
class ListFiles:
    """fat: file systems without owners and modes, whose files are listed as they are there. told:
    the step that found out the command line, where the image boots.
    """

    root: str
    told: str | None
    packaging: Packaging
    below: Beside[tuple[str, ...]]
    epoch: int
    fat: tuple[WriteFilesystem, ...] = ()
