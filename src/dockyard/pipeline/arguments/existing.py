"""What the steps that take an image apart are called with."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from dockyard.engine.codec import Beside


@dataclass(frozen=True, slots=True)
class ExistingDisk:
    """The raw disk of an image that exists. digest: of the image. size: bytes of the disk. image:
    the file; stamp: what shows that it is still the same. made: the name of the step that made the
    raw disk; empty where the file is one.
    """

    digest: str
    size: int
    image: Beside[str]
    stamp: Beside[str]
    made: str = ""


@dataclass(frozen=True, slots=True)
class ConvertDisk:
    """digest: of the image. image, stamp: as in ExistingDisk."""

    digest: str
    image: Beside[str]
    stamp: Beside[str]


@dataclass(frozen=True, slots=True)
class MountedPart:
    """A file system of a disk: start, size in bytes; its module; where it is mounted. subvolume:
    the number of the one that is there, without those in it; None for all of a file system.
    """

    start: int
    size: int
    module: str
    mount: str
    subvolume: int | None = None


@dataclass(frozen=True, slots=True)
class TakeRoot:
    """parts: the root, and what is mounted in it. kernel: where that of a medium is, for a root
    without one: start and size in bytes.
    """

    disk: ExistingDisk
    parts: tuple[MountedPart, ...]
    kernel: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class KeepPartition:
    """start, size: bytes. swap: the new id of the swap space that it is."""

    disk: ExistingDisk
    start: int
    size: int
    swap: UUID | None = None


@dataclass(frozen=True, slots=True)
class KeepSealed:
    """A partition with what is checked by its hash. mount: where it is mounted; others: where all
    else is. root, below: the root that was made; nothing of what is kept may differ in it.
    """

    kept: KeepPartition
    mount: str
    others: tuple[str, ...]
    root: Beside[str]
    below: Beside[tuple[str, ...]]
