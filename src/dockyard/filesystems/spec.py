"""What every file system module is given and what it offers.

A module of this room turns an archive into an image of one file system with that file system's own
programs, restores what these drop, and reads an image back by another way than it was written.
What cannot be held is refused by path before anything is written.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from uuid import UUID, uuid5

from dockyard.archive import Archive
from dockyard.errors import DockyardError, Problem
from dockyard.filesystems.image import Image
from dockyard.host.sandbox import Tools

BLOCK_SIZES = ("block_size", "sector_size")
"""Options of what does not mount on a device with larger blocks, such as one of dm-verity."""


@dataclass(frozen=True, slots=True)
class SubvolumeSpec:
    """A subvolume of btrfs that is to be made.

    number: its id, 256 or more; 5 for the outermost one, which is always there. path: from that
    one, without a slash at either end; the archive has a directory there. most, most_own: limits in
    bytes for all data that it refers to, and for those of its own alone. history: what it was made
    of and when, as its root item has it (see `btrfs.subvolumes`); empty for a new one.
    """

    number: int
    path: str
    uuid: UUID
    read_only: bool = False
    is_default: bool = False
    most: int | None = None
    most_own: int | None = None
    history: bytes = b""


@dataclass(frozen=True, slots=True)
class FilesystemSpec:
    """The identity of a file system. All of it is given, so that nothing is drawn at random.

    uuid: of the file system. label: its name, or "". epoch: seconds since 1970, its birth and the
    latest time in it. hash_seed: of directory hashes, where there are such; without it derived
    from uuid. kernel: the release that will mount it, grub: whether GRUB is to read it, too: both
    decide what features it has (see `kernels`). options: what the module documents as its own.
    subvolumes: of btrfs.
    """

    uuid: UUID
    label: str = ""
    epoch: int = 0
    hash_seed: UUID | None = None
    kernel: str | None = None
    grub: bool = False
    options: Mapping[str, str] = field(default_factory=dict)
    subvolumes: tuple[SubvolumeSpec, ...] = ()

    def derived(self, purpose: str) -> UUID:
        """A further UUID that depends on nothing but this file system's and the purpose."""
        return uuid5(self.uuid, purpose)


class Filesystem(Protocol):
    """What a module of this room offers.

    needs: which tools tree its programs come from, "main" or "testing". flags: the letters of the
    flags that it holds, see `archive.flags`.
    """

    @property
    def needs(self) -> str: ...

    @property
    def flags(self) -> str: ...

    def refuse(self, archive: Archive, at: bytes = b"") -> list[Problem]:
        """What the file system, or the program that writes it, cannot hold: a problem for each
        reason, with the paths in the image. at: where it is mounted there.
        """
        ...

    def minimum_size(self, archive: Archive) -> int:
        """Bytes that an image of the archive surely fits in, in whole MiB."""
        ...

    def write(
        self, archive: Archive, out: Path, size: int, spec: FilesystemSpec, tools: Tools
    ) -> None:
        """Write an image of `size` bytes. Inside the namespace. Raises DockyardError."""
        ...

    def read(self, image: Image, tools: Tools, scratch: Path, *, digests: bool = True) -> Archive:
        """What an image holds, read by another way than it was written. Raises DockyardError.

        scratch: a directory where the data of files may be laid for as long as the archive is used.
        digests: of all files, for which all their data are read; without them an error in the data
        shows when a file is read.
        """
        ...


def whole_mebibytes(size: int) -> int:
    """A size rounded up to MiB."""
    return -(-size // (1 << 20)) << 20


def too_small(name: str, out: Path, available: int, needed: int) -> DockyardError:
    """The error of a file system that does not fit the space that it was given.

    Programs say the same when the disk that the image is on is full, which is told apart here.
    """
    mib = 1 << 20
    place = os.statvfs(out.parent)
    if place.f_bavail * place.f_frsize < mib:
        return DockyardError(
            Problem(
                code="host.no-space",
                what=f"no space is left to write the {name} file system",
                where=str(out.parent),
                fix="free space there, or choose another place with --store DIR",
            )
        )
    return DockyardError(
        Problem(
            code="filesystems.too-small",
            what=f"the {name} file system does not fit: {available / mib:.0f} MiB are there, "
            f"about {whole_mebibytes(needed) // mib} MiB are needed",
            where=out.name,
            fix="give the partition a larger size, or take packages out of the image",
        )
    )
