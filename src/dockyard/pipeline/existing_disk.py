"""The disk of an image that exists, as the source of another: what is known of it beforehand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from dockyard.formats.saved_medium import SavedMedium
from dockyard.model.architecture import Architecture
from dockyard.model.family import Family
from dockyard.model.packages import Pin
from dockyard.pipeline.existing_boot import ExistingBoot
from dockyard.pipeline.existing_contents import ExistingContents, kept_contents
from dockyard.pipeline.existing_storage import ExistingStorage

if TYPE_CHECKING:
    from dockyard.formats.containers import Container
    from dockyard.pipeline.package_plan import PackageChanges


@dataclass(frozen=True, slots=True)
class ExistingSubvolume:
    """A subvolume of btrfs in an image that exists: see `btrfs.subvolumes`. mount: where it is in
    the tree; empty for one that is no part of that. history: in hex digits.
    """

    number: int
    path: str
    uuid: str
    mount: str
    read_only: bool
    is_default: bool
    most: int | None
    most_own: int | None
    history: str


@dataclass(frozen=True, slots=True)
class ExistingPartition:
    """A partition of an image that exists, as it is in the table, and what it holds.

    start, size: bytes. module: of the file system, for what is read and written anew; empty for
    what is kept as it is. uuid, name: of the file system, as its tools print them. mount: where it
    is in the tree; empty for what is not in it. subvolumes: of btrfs that has any. holds: the kind
    of what is in it, also of what is kept; empty where nothing is known of that. used: bytes that
    files take in blocks of 4 KiB, without what the file system itself takes. options: how the
    module writes one that takes its place. otherwise: what that has otherwise, in words.
    """

    number: int
    label: str
    type_guid: str
    guid: str
    attributes: int
    start: int
    size: int
    module: str
    uuid: str
    name: str
    mount: str
    subvolumes: tuple[ExistingSubvolume, ...] = ()
    holds: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    used: int = 0
    otherwise: tuple[str, ...] = ()

    @property
    def places(self) -> tuple[tuple[str, int | None], ...]:
        """Where it is in the tree, each with the number of the subvolume that is there."""
        if self.subvolumes:
            return tuple((one.mount, one.number) for one in self.subvolumes if one.mount)
        return ((self.mount, None),) if self.mount else ()


@dataclass(frozen=True, slots=True)
class ExistingVerity:
    """A verity device of an image that exists. data, hashes: the numbers of its partitions, which
    may be the same one. offset: where its hash tree begins in the latter, in bytes. name: `root` or
    `usr`. uuid, salt (in hex): of the tree. root_hash: on the kernel command line; empty where it
    is not there. signature: where in the image that of the root hash is; empty for none.
    """

    data: int
    hashes: int
    offset: int
    name: str
    uuid: str
    salt: str
    root_hash: str
    signature: str = ""


@dataclass(frozen=True, slots=True)
class ExistingMedium:
    """A live medium. words: of the kernel command line of its menu. saved: what ours keeps of how
    it was made. kernel: where that is, if it is beside the root: start and size in bytes.
    """

    words: tuple[str, ...]
    saved: SavedMedium | None
    kernel: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class DiskFacts:
    """What reading a disk found, as it is kept. family: its name. has_rpm, has_debs: whether the
    image has a database of rpm, or of dpkg. See DiskSource for the rest.
    """

    size: int
    table: str
    boot_code: str
    partitions: tuple[ExistingPartition, ...]
    epoch: int
    architecture: Architecture
    family: str
    package_count: int
    has_rpm: bool
    has_debs: bool
    boot: ExistingBoot
    verity: tuple[ExistingVerity, ...]
    medium: ExistingMedium | None
    labelled: bool
    storage: ExistingStorage


@dataclass(frozen=True)
class DiskSource:
    """The disk of an image that exists.

    image: the file, stamp: what shows that it is still what was read. digest: of its content.
    container: what it comes in. size: bytes of the disk. table: the GUID of its partition table.
    boot_code: of its first sector, in hex digits. epoch: seconds, the newest possible time in it:
    what is made is not newer. package_count: how many it has. boot: how it boots. verity: of what
    is mounted at / and /usr. installed: the directory with what is known of its packages, see
    `package_facts` and `installed_debs`; None where it has no database of them. changes: what is
    to change among them. listed: the directory with what is in its tree, see `existing_contents`.
    storage: what another disk for it must hold. medium: where it is a live medium.
    labelled: whether it has the labels of SELinux, and a mode in which they count.
    """

    image: Path
    stamp: str
    digest: str
    container: Container
    size: int
    table: str
    boot_code: str
    partitions: tuple[ExistingPartition, ...]
    epoch: int
    architecture: Architecture
    family: Family
    package_count: int
    tools: tuple[Pin, ...]
    boot: ExistingBoot = field(default_factory=ExistingBoot)
    verity: tuple[ExistingVerity, ...] = ()
    medium: ExistingMedium | None = None
    labelled: bool = False
    installed: Path | None = None
    changes: PackageChanges | None = None
    storage: ExistingStorage = field(default_factory=ExistingStorage)
    listed: Path | None = None

    @cached_property
    def contents(self) -> ExistingContents | None:
        """What is in its tree; None where that is not known."""
        return kept_contents(self.listed) if self.listed else None

    @property
    def pins(self) -> tuple[Pin, ...]:
        """All that it needs of the downloads that the store has."""
        return (*(self.changes.lock.packages if self.changes else ()), *self.tools)

    @property
    def kernel(self) -> tuple[int, int] | None:
        """Where the kernel of a live medium is: start and size in bytes."""
        return self.medium.kernel if self.medium else None

    @property
    def files(self) -> tuple[Path, ...]:
        """Files of the user's that it is."""
        return (self.image,)

    @cached_property
    def mounts(self) -> Mapping[str, ExistingPartition]:
        return {path: each for each in self.partitions for path, _ in each.places}
