"""What a format that describes the system on its disk says of it: found on the finished disk, by
the same readers that inspect images.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID

from dockyard.disk.partition_types import name_of
from dockyard.formats.containers import Container, RawDisk
from dockyard.formats.system import (
    EntryKind,
    LoaderEntry,
    MountedSystem,
    System,
    SystemPackage,
    VerityOf,
)
from dockyard.inspection.boot import Boot, BootEntry, boot_of, variables
from dockyard.inspection.disks import FoundDisk, FoundPartition, partitions_of
from dockyard.inspection.image import architecture_of
from dockyard.inspection.packages import InstalledPackage, installed
from dockyard.inspection.systems import find_system
from dockyard.inspection.tree import Tree
from dockyard.tools.unpacked import ToolTrees

_RELEASE_FILES = ("/etc/os-release", "/usr/lib/os-release")
# Where a tool that made an image notes the image's UUID.
_IDENTITY = ("/etc/image-customizer-release", "IMAGE_UUID")
_UKI_KEYS = ("efi", "uki")
_VERITY_MOUNTS = {"root": "/", "usr": "/usr"}
_HASH_OFFSET = "hash-offset="


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
        loader = _loader(boot)
        texts = (tree.text(path) for path in _RELEASE_FILES)
        file, key = _IDENTITY
        return System(
            architecture=architecture_of(tree),
            release=next((text for text in texts if text), ""),
            loader=loader,
            entries=tuple(_entries(boot, tree)) if loader == "systemd-boot" else (),
            packages=tuple(_package(each) for each in installed(tree).packages),
            mounted=tuple(_mounted(found, system.mounts, boot)),
            id=variables(tree.text(file) or "").get(key, ""),
        )


def _loader(boot: Boot) -> str:
    if "systemd-boot" in boot.loaders:
        return "systemd-boot"
    if any(name.startswith("grub") for name in boot.loaders):
        return "grub"
    # Firmware starts a UKI by itself, too; what reads the metadata knows these two.
    return "systemd-boot" if any(each.kind == "uki" for each in boot.entries) else ""


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


def _mounted(disk: FoundDisk, mounts: Mapping[int, str], boot: Boot) -> Iterator[MountedSystem]:
    """The file systems that are mounted, in the order of the disk."""
    for each in sorted(disk.partitions, key=lambda each: each.entry.start):
        content, mount = each.content, mounts.get(each.number, "")
        if content is not None and mount:
            verity = _verity(each, mount, disk.partitions, boot.command_lines)
            yield MountedSystem(each.number, content.kind, content.uuid, mount, verity)


def _verity(
    data: FoundPartition,
    mount: str,
    partitions: Sequence[FoundPartition],
    command_lines: Sequence[str],
) -> VerityOf | None:
    """The hash tree by which a command line has a file system opened (veritytab(5),
    systemd-veritysetup-generator(8)); None where it is opened as it is.
    """
    name = next((name for name, at in _VERITY_MOUNTS.items() if at == mount), None)
    if name is None:
        return None
    for line in command_lines:
        words = dict(word.partition("=")[::2] for word in line.split())
        root_hash = words.get(f"{name}hash", "").lower()
        if not root_hash:
            continue
        device = words.get(f"systemd.verity_{name}_hash", "")
        hashes = _named(device, partitions) if device else _discovered(name, root_hash, partitions)
        if hashes is None:
            continue
        options = words.get(f"systemd.verity_{name}_options", "").split(",")
        at = next((each for each in options if each.startswith(_HASH_OFFSET)), "")
        number = at.removeprefix(_HASH_OFFSET)
        inline = hashes.number == data.number and number.isdecimal()
        return VerityOf(root_hash, hashes.number, int(number) if inline else None)
    return None


def _named(device: str, partitions: Sequence[FoundPartition]) -> FoundPartition | None:
    """The partition that a word of a command line names, as fstab(5) does."""
    for tag in ("PARTUUID", "UUID", "PARTLABEL", "LABEL"):
        device = device.replace(f"/dev/disk/by-{tag.lower()}/", f"{tag}=")
    tag, _, value = device.partition("=")
    for each in partitions:
        content = each.content
        names = {
            "PARTUUID": str(each.entry.guid),
            "PARTLABEL": each.entry.name,
            "UUID": content.uuid if content else "",
            "LABEL": content.label if content else "",
        }
        if value and names.get(tag, "").lower() == value.lower():
            return each
    return None


def _discovered(
    name: str, root_hash: str, partitions: Sequence[FoundPartition]
) -> FoundPartition | None:
    """The partition of hashes whose id is the second half of the root hash, as systemd looks for
    it; else the only one of its type.
    """
    if len(root_hash) == 64 and all(char in "0123456789abcdef" for char in root_hash):
        wanted = UUID(hex=root_hash[32:])
        for each in partitions:
            if each.entry.guid == wanted:
                return each
    typed = [each for each in partitions if name_of(each.entry.type_guid) == f"{name}-verity"]
    return typed[0] if len(typed) == 1 else None
