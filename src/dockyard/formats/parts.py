"""What an image is made of, and what a format is: a way of writing it to files.

The parts are made by steps of their own; a format says which it needs, and only those are made. So
what carries a root without a disk, such as a tar, plans no disk, and what boots over the network
plans a kernel and an initrd alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol

from dockyard.model.architecture import Architecture
from dockyard.model.base import Mistake
from dockyard.model.image import Image
from dockyard.model.output import OutputImage

if TYPE_CHECKING:
    from dockyard.archive import Archive
    from dockyard.disk.layout import DiskLayout
    from dockyard.formats.saved_medium import SavedMedium
    from dockyard.formats.system import Describe
    from dockyard.host.sandbox import Tools


class Part(StrEnum):
    """A part of an image that a format may need. DISK: the layout, and the file systems of its
    partitions. SYSTEM: what is told of the system on that disk. LIVE: the root as an image for live
    systems, and what is on their medium. BASE: the root of an image that exists, before anything
    of it is changed.
    """

    ROOT = "root"
    DISK = "disk"
    KERNEL = "kernel"
    INITRD = "initrd"
    UKI = "uki"
    SYSTEM = "system"
    LIVE = "live"
    BASE = "base"


@dataclass(frozen=True, slots=True, kw_only=True)
class LivePart:
    """What a live system has beside its kernel and initrd.

    title: in menus. label: of the medium, letters, digits and `_`. root: the image of the root;
    None where the initrd is the whole system. medium_words, network_words: of the kernel command
    line, from a medium and over the network. fetched_name: of the ISO that is fetched over the
    network. files: what else is put on the medium, by its path there. saved: what it keeps of
    how it was made.
    """

    title: str
    label: str
    root: Path | None
    medium_words: tuple[str, ...]
    saved: SavedMedium
    network_words: tuple[str, ...] = ()
    fetched_name: str = "image.iso"
    files: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Brought:
    """What a format needs in the root, where the image does not bring it itself. files, links: text
    or target, by path. removed: paths that whoever runs the image makes.
    """

    files: Mapping[str, str] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    removed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The parts of one image; None for what was not asked for.

    name: the image's, and the first part of its files' names. seed: decides every id that a format
    carries. epoch: seconds since 1970, every time that it notes. root: the archive of the root
    tree, labels and all; base: that of the image that was customized. partitions: images of the
    layout's file systems and swap spaces, by the key of their partition. command_line: what the
    kernel is given, where nothing else carries it. level: of compression, for formats that have
    one; None for theirs. describe: tells what system is on the disk. settings: what the image file
    says of the output.
    """

    name: str
    architecture: Architecture
    seed: bytes
    epoch: int
    root: Archive | None = None
    base: Archive | None = None
    layout: DiskLayout | None = None
    partitions: Mapping[str, Path] = field(default_factory=dict)
    kernel: Path | None = None
    initrd: Path | None = None
    uki: Path | None = None
    command_line: str = ""
    level: int | None = None
    describe: Describe | None = None
    live: LivePart | None = None
    settings: OutputImage = field(default_factory=OutputImage)

    @property
    def present(self) -> frozenset[Part]:
        """Which parts there are."""
        found = {
            Part.ROOT: self.root,
            Part.DISK: self.layout,
            Part.KERNEL: self.kernel,
            Part.INITRD: self.initrd,
            Part.UKI: self.uki,
            Part.SYSTEM: self.describe,
            Part.LIVE: self.live,
            Part.BASE: self.base,
        }
        return frozenset(part for part, value in found.items() if value is not None)


class Format(Protocol):
    """A way of writing an image.

    extension: how the name of its file ends; empty for a format that is a directory of files.
    needs: the parts that it is made of; `write` is given all of them. runs_programs: whether that
    needs the tools. section: the key of `output.image` with its settings; empty without such.
    keeps_modes: whether the modes of what it makes are the image's, and not the caller's to choose.
    """

    @property
    def name(self) -> str: ...
    @property
    def extension(self) -> str: ...
    @property
    def needs(self) -> frozenset[Part]: ...
    @property
    def runs_programs(self) -> bool: ...
    @property
    def section(self) -> str: ...
    @property
    def keeps_modes(self) -> bool: ...

    def judged(self, image: Image) -> Iterator[Mistake]:
        """What an image file asks for that the format cannot have, or does not use: its own rules,
        told before any work.
        """
        ...

    def brought(self, image: Image, name: str) -> Brought:
        """What it needs in the root. name: the image's."""
        ...

    def write(self, parts: Parts, out: Path, tools: Tools) -> tuple[Path, ...]:
        """Write the image into the directory `out`, which holds nothing of these names, and give
        its files: first the image itself, `parts.name` + `extension`, then what stands beside it.
        Each appears when it is whole. Equal parts give equal bytes. Inside the namespace where a
        root is among the parts, or programs are run. Raises DockyardError.
        """
        ...


class AnyFormat:
    """What formats have that have no rules of their own."""

    name: ClassVar[str]
    section: ClassVar[str] = ""
    keeps_modes: ClassVar[bool] = False

    def judged(self, image: Image) -> Iterator[Mistake]:
        """See Format.judged."""
        yield from ()

    def brought(self, image: Image, name: str) -> Brought:
        """See Format.brought."""
        return Brought()
