"""Finds what is to be known of the disk of an image that exists, and refuses what is not kept."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from dockyard.archive import Entry, Kind
from dockyard.archive.entry import XATTR_SELINUX
from dockyard.disk.kernel_cmdline import ROOT_HASHES
from dockyard.engine.store import Store
from dockyard.errors import Problem, Problems
from dockyard.filesystems.making import made_as, not_kept
from dockyard.inspection.deb_facts import deb_facts
from dockyard.inspection.disks import partitions_of
from dockyard.inspection.image import architecture_of, distribution_of
from dockyard.inspection.package_facts import package_facts
from dockyard.inspection.packages import installed as installed_packages
from dockyard.inspection.systems import find_system
from dockyard.inspection.verity import find_trees
from dockyard.model.os_release import variables
from dockyard.model.packages import PackageKind
from dockyard.model.storage import VERITY_MOUNTS
from dockyard.pipeline import read_before
from dockyard.pipeline.existing_boot import ExistingBoot, read_boot
from dockyard.pipeline.existing_contents import keep_contents, read_contents
from dockyard.pipeline.existing_disk import (
    DiskFacts,
    ExistingMedium,
    ExistingPartition,
    ExistingSubvolume,
    ExistingVerity,
)
from dockyard.pipeline.existing_storage import read_storage
from dockyard.pipeline.installed_debs import keep_debs
from dockyard.pipeline.package_facts import keep
from dockyard.tree.selinux import CONFIG

if TYPE_CHECKING:
    from dockyard.formats.containers import RawDisk
    from dockyard.inspection.disks import FoundDisk, FoundPartition
    from dockyard.inspection.subvolumes import FoundSubvolume
    from dockyard.inspection.systems import FoundSystem
    from dockyard.inspection.tree import Tree
    from dockyard.tools.unpacked import ToolTrees

_BLOCK = 4096
_BOOT_CODE = 440  # bytes of the first sector before the disk's signature (UEFI 2.10, 5.2.1)
_NANOSECONDS = 10**9
_LATEST = (1 << 31) - 1


def read_facts(
    image: Path, raw: RawDisk, store: Store, tools: ToolTrees, installed: Callable[[], Path]
) -> DiskFacts:
    """Read a disk. raw: of the image. installed: tells the directory for what is in its tree, and
    what is known of its packages. Inside the namespace. Raises DockyardError with all that stands
    in the way of using it.
    """
    named = hashlib.sha256(os.fsencode(image)).hexdigest()[:20]
    with store.scratch(f"input-{named}") as scratch:
        disk = partitions_of(image, raw)
        system = find_system(disk, scratch, tools)
        distribution = distribution_of(system.tree)
        architecture = architecture_of(system.tree)
        problems = Problems()
        problems.extend(_unkept(image, disk, system))
        if distribution.family is None:
            problems.add(
                "image.unknown-distribution",
                f"{distribution.title} is not a distribution that can be customized",
                where=str(image),
                why=f"no family of distributions is known for ID={distribution.id} "
                f"VERSION_ID={distribution.version}",
                fix="`dockyard inspect` shows what the image is",
            )
        if architecture is None:
            problems.add(
                "image.unknown-architecture",
                "the image's programs are for no processor that is supported",
                where=str(image),
                fix="give an image for x86_64 or aarch64",
            )
        problems.raise_any()
        for found in disk.partitions:
            if found.number in system.mounts:
                read_before.note(found.region, system.archives[found.number])
        assert distribution.family is not None and architecture is not None
        with raw.path.open("rb") as opened:
            boot_code = opened.read(_BOOT_CODE)
        # A system may have the other format's database besides.
        kind = distribution.family.packaging.kind
        packages = package_facts(system.tree) if kind is PackageKind.RPM else None
        debs = deb_facts(system.tree) if kind is PackageKind.DEB else None
        contents = read_contents(system.tree)
        boot = read_boot(system.tree)
        folder = installed()
        keep_contents(contents, folder)
        if packages:
            keep(packages, folder)
        if debs:
            keep_debs(debs, folder)
        read = (*system.archives.values(), *(each.archive for each in system.tree.mounted))
        return DiskFacts(
            size=disk.table.size if disk.table else disk.raw.size,
            table=str(disk.table.guid) if disk.table else "",
            boot_code=boot_code.hex() if any(boot_code) else "",
            partitions=tuple(_partitions(disk, system)),
            epoch=newest(entry for archive in read for entry in archive),
            architecture=architecture,
            family=distribution.family.name,
            package_count=packages.count
            if packages
            else len(installed_packages(system.tree).packages),
            has_rpm=packages is not None,
            has_debs=debs is not None,
            boot=boot,
            verity=tuple(_verity(disk, system, boot)),
            medium=_medium(disk),
            labelled=_is_labelled(system.tree),
            storage=read_storage(system.tree),
        )


def _medium(disk: FoundDisk) -> ExistingMedium | None:
    medium = disk.medium
    if medium is None:
        return None
    kernel = (medium.kernel.start, medium.kernel.size) if medium.kernel else None
    return ExistingMedium(medium.words, medium.saved, kernel)


def _is_labelled(tree: Tree) -> bool:
    """Whether a system runs with SELinux, by its settings, and has labels."""
    mode = variables(tree.text(CONFIG) or "").get("SELINUX", "")
    root = tree.entry("/")
    return mode in ("enforcing", "permissive") and bool(root and root.xattr(XATTR_SELINUX))


def _partitions(disk: FoundDisk, system: FoundSystem) -> Iterator[ExistingPartition]:
    for found in disk.partitions:
        entry, content = found.entry, found.content
        mount = system.mounts.get(found.number, "")
        yield ExistingPartition(
            number=entry.number,
            label=entry.name,
            type_guid=str(entry.type_guid),
            guid=str(entry.guid),
            attributes=entry.attributes,
            start=entry.start,
            size=entry.size,
            module=content.module if content and mount else "",
            uuid=content.uuid if content else "",
            name=content.label if content else "",
            mount=mount,
            subvolumes=tuple(_subvolume(each) for each in system.volumes.get(found.number, ())),
            holds=content.kind if content else "",
            options=_options(found) if mount else {},
            used=_used(system.archives.get(entry.number, ())),
            otherwise=_otherwise(found) if mount else (),
        )


def _verity(disk: FoundDisk, system: FoundSystem, boot: ExistingBoot) -> Iterator[ExistingVerity]:
    words = [word.partition("=") for line in boot.command_lines for word in line.split()]
    for tree in find_trees(disk.partitions):
        name = VERITY_MOUNTS.get(system.mounts.get(tree.data, ""), "")
        if name:
            known = [value for key, _, value in words if key == ROOT_HASHES[name]]
            superblock = tree.superblock
            yield ExistingVerity(
                data=tree.data,
                hashes=tree.hashes,
                offset=tree.offset,
                name=name,
                uuid=str(superblock.uuid),
                salt=superblock.salt.hex(),
                root_hash=known[0].lower() if known else "",
                signature=_signature(name, boot),
            )


def _signature(device: str, boot: ExistingBoot) -> str:
    """Where the command line says that the signature of a root hash is: a path (veritytab(5))."""
    for word in (word for line in boot.command_lines for word in line.split()):
        key, _, options = word.partition("=")
        if key == f"systemd.verity_{device}_options":
            for option in options.split(","):
                name, _, value = option.partition("=")
                if name == "root-hash-signature" and value.startswith("/"):
                    return value
    return ""


def _used(entries: Iterable[Entry]) -> int:
    return sum(-(-each.size // _BLOCK) * _BLOCK for each in entries if each.kind is Kind.FILE)


def newest(entries: Iterable[Entry]) -> int:
    """The newest time of a file in seconds. One that 32 bits cannot have is a mistake, of a clock
    or a program, and some of what is made could not have it.
    """
    times = (entry.mtime_ns // _NANOSECONDS for entry in entries)
    return max((time for time in times if 0 <= time <= _LATEST), default=0)


def _otherwise(found: FoundPartition) -> tuple[str, ...]:
    return not_kept(found.content.module, found.region) if found.content else ()


def _options(found: FoundPartition) -> Mapping[str, str]:
    return made_as(found.content.module, found.region) if found.content else {}


def _subvolume(found: FoundSubvolume) -> ExistingSubvolume:
    known = found.known
    return ExistingSubvolume(
        number=known.number,
        path=found.path,
        uuid=str(known.uuid) if known.uuid else "",
        mount=found.mount,
        read_only=known.read_only,
        is_default=known.is_default,
        most=known.most,
        most_own=known.most_own,
        history=known.history.hex(),
    )


def _unkept(image: Path, disk: FoundDisk, system: FoundSystem) -> Iterator[Problem]:
    """What an image has that it would not have any more after it was written anew."""
    if disk.table is None and disk.medium is None:
        yield _refused(image, "it is one file system without a partition table",
                       "put it into a disk with a GUID partition table")  # fmt: skip
    for entry, why in disk.table.misplaced() if disk.table else ():
        yield _refused(image, f"partition {entry.number}: {why}",
                       "correct the partition table, with sgdisk or sfdisk")  # fmt: skip
    for problem in system.remarks:
        yield _refused(image, f"{problem.where}: {problem.why}", problem.fix)


def _refused(image: Path, why: str, fix: str) -> Problem:
    return Problem("image.not-customizable", "the image cannot be customized", str(image), why, fix)
