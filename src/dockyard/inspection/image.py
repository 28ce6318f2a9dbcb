"""All that there is to know of an image, found in one reading of its disk."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from dockyard.archive import Archive, Kind
from dockyard.disk.kernel_cmdline import ROOT_HASHES
from dockyard.disk.partition_types import name_of
from dockyard.errors import Problem
from dockyard.inspection.accounts import Services, User, services_of, users_of
from dockyard.inspection.boot import Boot, boot_of, with_first_code
from dockyard.inspection.disks import FoundPartition, open_disk
from dockyard.inspection.packages import PackageDatabase, installed
from dockyard.inspection.roots import open_root, root_file
from dockyard.inspection.systems import FoundSystem, find_system
from dockyard.inspection.tree import Mounted, Tree
from dockyard.model.architecture import Architecture
from dockyard.model.family import Family, family_of
from dockyard.model.os_release import release_of, variables
from dockyard.tools.unpacked import ToolTrees

_PROGRAMS = ("/usr/bin/bash", "/usr/bin/sh", "/usr/lib/systemd/systemd", "/usr/bin/true")
_LABEL = b"security.selinux"
_FIRST_SECTOR = 512
_MACHINES = {62: Architecture.X86_64, 183: Architecture.AARCH64}


@dataclass(frozen=True, slots=True)
class InspectedPartition:
    """A partition. type: the name of its type, or the GUID. mount: where it is mounted; empty where
    it is not. files, used: how many names its file system has, and bytes of their data. attributes:
    the flags that the table has of it.
    """

    number: int
    label: str
    type: str
    guid: str
    start: int
    size: int
    filesystem: str
    uuid: str
    name: str
    mount: str
    files: int
    used: int
    attributes: int = 0


@dataclass(frozen=True, slots=True)
class Distribution:
    """What os-release(5) says. family: None for a distribution that is not known."""

    id: str
    version: str
    title: str
    family: Family | None


@dataclass(frozen=True, slots=True)
class Selinux:
    """mode: of /etc/selinux/config; empty without one. labelled: files that have a label."""

    mode: str
    policy: str
    labelled: int


@dataclass(frozen=True, slots=True)
class Inspected:
    """An image. disk: the file that has its raw disk. size: bytes of that. hostname: empty where
    none is set. verity: root hashes on a kernel command line, by the parameter that has them.
    """

    path: Path
    disk: Path
    format: str
    size: int
    table: str
    partitions: tuple[InspectedPartition, ...]
    distribution: Distribution
    architecture: Architecture | None
    hostname: str
    boot: Boot
    database: PackageDatabase
    users: tuple[User, ...]
    services: Services
    selinux: Selinux
    verity: Mapping[str, str]
    remarks: tuple[Problem, ...]
    tree: Tree


def inspect_image(
    image: Path, scratch: Path, tools: ToolTrees, *, digests: bool = False
) -> Inspected:
    """Read an image. scratch: a directory for what must be unpacked, which lasts as long as the
    answer is used. digests: of all files, which comparing takes. Call `namespace.enter()` before.
    Raises DockyardError.
    """
    root = root_file(image)
    disk = open_root(root, scratch, tools.main) if root else open_disk(image, scratch, tools.main)
    system = find_system(disk, scratch, tools, digests=digests)
    tree = system.tree
    esp = system.archives.get(system.esp) if system.esp is not None else None
    boot = boot_of(tree, Tree([Mounted(b"", esp)]) if esp is not None else None)
    with disk.raw.path.open("rb") as raw:
        boot = with_first_code(boot, raw.read(_FIRST_SECTOR))
    if disk.medium is not None:
        # It boots from its medium, whatever its root has.
        boot = replace(
            boot_of(Tree([Mounted(b"", system.archives[0])]), None), kernels=boot.kernels
        )
    return Inspected(
        path=image,
        disk=disk.raw.path,
        format=disk.came_as or disk.raw.container.value,
        size=disk.raw.size,
        table=str(disk.table.guid) if disk.table else "",
        partitions=tuple(_partition(each, system) for each in disk.partitions),
        distribution=distribution_of(tree),
        architecture=architecture_of(tree),
        hostname=(tree.text("/etc/hostname") or "").strip(),
        boot=boot,
        database=installed(tree),
        users=users_of(tree),
        services=services_of(tree),
        selinux=_selinux(tree),
        verity=_verity(boot),
        remarks=system.remarks,
        tree=tree,
    )


def _partition(found: FoundPartition, system: FoundSystem) -> InspectedPartition:
    entry, content = found.entry, found.content
    archive = system.archives.get(found.number, Archive([]))
    data = sum(each.size for each in archive if each.kind is Kind.FILE)
    return InspectedPartition(
        number=entry.number,
        label=entry.name,
        type=name_of(entry.type_guid) or str(entry.type_guid),
        guid=str(entry.guid),
        start=entry.start,
        size=entry.size,
        filesystem=content.kind if content else "",
        uuid=content.uuid if content else "",
        name=content.label if content else "",
        mount=system.mounts.get(found.number, ""),
        files=len(archive),
        used=data,
        attributes=entry.attributes,
    )


def distribution_of(tree: Tree) -> Distribution:
    """Which distribution a tree is of."""
    found = variables(release_of(tree.text) or "")
    id, version = found.get("ID", "linux"), found.get("VERSION_ID", "")
    like, variant = found.get("ID_LIKE", "").split(), found.get("VARIANT_ID", "")
    family = family_of(id, version, like, variant)
    return Distribution(id, version, found.get("PRETTY_NAME", id), family)


def architecture_of(tree: Tree) -> Architecture | None:
    """What processor the programs of a tree are for; None where that is not known."""
    for path in _PROGRAMS:
        head = tree.head(path, 20)
        if head[:4] == b"\x7fELF" and len(head) == 20:
            order = "<" if head[5] == 1 else ">"
            return _MACHINES.get(struct.unpack_from(f"{order}H", head, 18)[0])
    return None


def _selinux(tree: Tree) -> Selinux:
    settings = variables(tree.text("/etc/selinux/config") or "")
    labels = (any(name == _LABEL for name, _ in entry.xattrs) for _, entry in tree.entries())
    labelled = sum(labels)
    return Selinux(settings.get("SELINUX", ""), settings.get("SELINUXTYPE", ""), labelled)


def _verity(boot: Boot) -> dict[str, str]:
    found = {}
    for line in boot.command_lines:
        for word in line.split():
            name, _, value = word.partition("=")
            if name in ROOT_HASHES.values():
                found[name] = value
    return found
