"""What the steps of an image are called with, as data. A class is named after the function that
takes it: `MakeUki` for `make_uki`. Fields of type `Beside` do not shape what a step makes.

below: the names of the results that make up a root tree, the lowest first: that of the packages,
then layers over it. epoch: seconds since 1970, the time of what is made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from dockyard.engine.codec import Beside
from dockyard.errors import Position
from dockyard.model.architecture import Architecture
from dockyard.model.family import BootLoader, Packaging
from dockyard.model.packages import Lock, LockedRepository, Pin, RpmRepository
from dockyard.model.storage import FileSystemType
from dockyard.tree.every import AnySetting

# Names within results.
TREE = "tree"  # of the packages: the tree; there may be `upper` over it
INDEX = "index"  # of the packages and of a merged root: the archive's index
UPPER = "upper"  # of a layer: the upper directory of an overlay
INITRD = "initrd"
KERNEL = "kernel"
COMMAND_LINE = "cmdline"
FILESYSTEM = "filesystem"
MANIFEST = "manifest.jsonl"
EXPECTED = "expected.json"

# Names of steps.
TOOLS = "tools"
FETCH = "fetch"
ROOT = "root"


@dataclass(frozen=True, slots=True)
class FetchPackages:
    """packages: digests by what they are, the packages' names, versions and architectures. The rest
    says where packages come from.
    """

    packages: Mapping[str, str]
    lock: Beside[Lock]
    lock_file: Beside[str]
    repositories: Beside[tuple[RpmRepository, ...]]
    offline: Beside[tuple[Path, ...]]


@dataclass(frozen=True, slots=True)
class RequiredNames:
    """What settings expect of packages: it is looked for when all packages are here. position: of
    the packages in the image file. filesystems: kinds that the initrd mounts.
    """

    lock: Lock
    repositories: tuple[RpmRepository, ...]
    offline: tuple[Path, ...]
    settings: tuple[AnySetting, ...]
    position: Position | None = None
    filesystems: tuple[str, ...] | None = ()


@dataclass(frozen=True, slots=True)
class Unpack:
    """One package, to be unpacked. digest: of the file, or of its content without signatures.
    checked: whether it must be signed, keys: by which of these (fingerprints), by any key of its
    repository where there are none. The rest says where it comes from.
    """

    digest: str
    checked: bool
    keys: tuple[str, ...]
    pin: Beside[Pin]
    rule: Beside[LockedRepository]
    repository: Beside[RpmRepository]
    lock_file: Beside[str]
    offline: Beside[tuple[Path, ...]]


@dataclass(frozen=True, slots=True)
class MakeDatabase:
    """packages: the names of the steps that unpack them."""

    packages: Beside[tuple[str, ...]]
    documents: bool
    epoch: int


@dataclass(frozen=True, slots=True)
class SelectIndex:
    """index: which one (see `install.indices`). packages: the names of the steps that unpack
    them.
    """

    index: str
    packages: Beside[tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class MakeIndex:
    """An index of what was selected. packages: the names of the steps that unpack them."""

    selection: Beside[str]
    packages: Beside[tuple[str, ...]]
    epoch: int


@dataclass(frozen=True, slots=True)
class InstallPackages:
    """packages: the names of the steps that unpack them, by the packages' names, versions and
    architectures. documents: also what packages mark as documentation. database, indices: names of
    steps. signed: the packages whose signatures go into the database, as their file is pinned.
    """

    packages: Beside[Mapping[str, str]]
    database: Beside[str]
    indices: Beside[tuple[str, ...]]
    signed: tuple[str, ...]
    documents: bool
    epoch: int
    packaging: Packaging
    expected: Beside[RequiredNames]


@dataclass(frozen=True, slots=True)
class ApplySettings:
    """settings: applied in order."""

    settings: tuple[AnySetting, ...]
    below: Beside[tuple[str, ...]]
    epoch: int


@dataclass(frozen=True, slots=True)
class MergeRoot:
    """The layers of a root, to be merged."""

    below: Beside[tuple[str, ...]]
    epoch: int


@dataclass(frozen=True, slots=True)
class NoteExpectations:
    """packaging: of the distribution. esp: where the EFI system partition is mounted."""

    below: Beside[tuple[str, ...]]
    packaging: Packaging
    esp: str


@dataclass(frozen=True, slots=True)
class MakeInitrd:
    """filesystems: kinds that it mounts. modules: further ones."""

    dracut: bool
    filesystems: tuple[str, ...]
    modules: tuple[str, ...]
    below: Beside[tuple[str, ...]]
    epoch: int


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
class WriteFilesystem:
    """The file system of one partition, to be written.

    size: bytes. mount: where it is mounted, if anywhere; others: where all others are. root: the
    name of the result with the merged root. uki: of the step that makes what it boots, for the EFI
    system partition, which has the boot loader, too.
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
    """fat: file systems without owners and modes, whose files are listed as they are there. uki: of
    the step that found out the command line, where the image boots.
    """

    root: str
    uki: str | None
    packaging: Packaging
    below: Beside[tuple[str, ...]]
    epoch: int
    fat: tuple[WriteFilesystem, ...] = ()
