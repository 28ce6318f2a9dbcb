"""What a format that describes the system on its disk says of it: found on the finished disk, by
the same readers that inspect images.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from dockyard.disk.command_words import plain, words_of
from dockyard.disk.kernel_cmdline import ROOT_HASHES
from dockyard.disk.verity import BLOCK, first_hash
from dockyard.formats.containers import Container, RawDisk
from dockyard.formats.system import (
    EntryKind,
    LoaderEntry,
    MountedSystem,
    System,
    SystemPackage,
    VerityOf,
)
from dockyard.inspection.boot import Boot, BootEntry, boot_of
from dockyard.inspection.disks import FoundDisk, partitions_of
from dockyard.inspection.image import architecture_of
from dockyard.inspection.packages import InstalledPackage, installed
from dockyard.inspection.systems import find_system
from dockyard.inspection.tree import Tree
from dockyard.inspection.verity import FoundTree, find_trees
from dockyard.model.os_release import release_of, variables
from dockyard.model.storage import VERITY_MOUNTS
from dockyard.tools.unpacked import ToolTrees

# Where a tool that made an image notes the image's UUID.
_IDENTITY = ("/etc/image-customizer-release", "IMAGE_UUID")
_UKI_KEYS = ("efi", "uki")


def describe(disk: Path, size: int, scratch: Path, tools: ToolTrees) -> System:
    """What system is on a raw disk, the first `size` bytes of a file.

    scratch: a directory for what must be unpacked meanwhile. Inside the namespace. Raises
    DockyardError.
    """
    with TemporaryDirectory(prefix=".described-", dir=scratch) as name:
        found = partitions_of(disk, RawDisk(disk, size, Container.RAW))
        system = find_system(found, Path(name), tools)
        tree = system.tree
        boot = boot_of(tree, None)
        loader = loader_of(boot)
        file, key = _IDENTITY
        return System(
            architecture=architecture_of(tree),
            release=release_of(tree.text) or "",
            loader=loader,
            entries=tuple(_entries(boot, tree)) if loader == "systemd-boot" else (),
            packages=tuple(_package(each) for each in installed(tree).packages),
            mounted=tuple(mounted_systems(found, system.mounts, boot.command_lines)),
            id=variables(tree.text(file) or "").get(key, ""),
        )


def loader_of(boot: Boot) -> str:
    """`systemd-boot` or `grub`, as the metadata of formats name it; empty where it is neither."""
    kinds = {each.kind for each in boot.entries}
    if "systemd-boot" in boot.loaders:
        return "systemd-boot"
    # Either may be installed under the name alone that firmware starts by itself.
    if any(name.startswith("grub") for name in boot.loaders) or "grub" in kinds:
        return "grub"
    # Firmware starts a UKI by itself, too; what reads the metadata knows these two.
    return "systemd-boot" if kinds & {"uki", "bls"} else ""


def _entries(boot: Boot, tree: Tree) -> Iterator[LoaderEntry]:
    for each in boot.entries:
        if each.kind in ("uki", "bls"):
            kind = EntryKind.UKI if each.kind == "uki" else _kind_of_file(each, tree)
            yield LoaderEntry(kind, each.path, each.command_line, each.kernel)


def _kind_of_file(entry: BootEntry, tree: Tree) -> EntryKind:
    lines = (tree.text(entry.path) or "").splitlines()
    keys = {line.split()[0] for line in lines if line.strip()}
    return EntryKind.UKI_FILE if keys & {*_UKI_KEYS} else EntryKind.FILE


def _package(each: InstalledPackage) -> SystemPackage:
    """The epoch of a version is left out, as `rpm -q --queryformat %{VERSION}` does."""
    plain = each.version.partition(":")[2] or each.version
    version, dash, release = plain.rpartition("-")
    return SystemPackage(
        each.name, version if dash else release, release if dash else "", each.architecture
    )


def mounted_systems(
    disk: FoundDisk, mounts: Mapping[int, str], command_lines: Iterable[str]
) -> Iterator[MountedSystem]:
    """The file systems that are mounted, in the order of the disk. mounts: where, by the numbers of
    partitions. command_lines: of what boots, which say what is opened with dm-verity.
    """
    trees = {each.data: each for each in find_trees(disk.partitions)}
    words = {plain(word) for line in command_lines for word in words_of(line)}
    for each in sorted(disk.partitions, key=lambda each: each.entry.start):
        content, mount = each.content, mounts.get(each.number, "")
        if content is not None and mount:
            verity = None
            if mount in VERITY_MOUNTS and each.number in trees:
                name = ROOT_HASHES[VERITY_MOUNTS[mount]]
                verity = _verity(trees[each.number], disk, name, words)
            yield MountedSystem(each.number, content.kind, content.uuid, mount, verity)


def _verity(tree: FoundTree, disk: FoundDisk, name: str, words: Collection[str]) -> VerityOf | None:
    """A hash tree with whose root hash a command line has its data opened; None where none has."""
    hashes = next(each for each in disk.partitions if each.number == tree.hashes)
    with hashes.region.path.open("rb", buffering=0) as file:
        top = os.pread(file.fileno(), BLOCK, hashes.region.start + tree.offset + BLOCK)
    root_hash = first_hash(top, tree.superblock.salt).hex()
    if f"{name}={root_hash}" not in words:
        return None
    return VerityOf(root_hash, tree.hashes, tree.offset if tree.inline else None)
