"""The system on a disk: which of its file systems is the root, and what is mounted where in it.

By fstab(5) of the root, as the system itself does it; partitions that it does not name are put in
their place by their types where these say so (UAPI Discoverable Partitions Specification, as
systemd-gpt-auto-generator(8) follows it: only where nothing is, and the first of each type).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from dockyard.archive import Archive
from dockyard.disk.other_mounts import unescaped
from dockyard.disk.partition_types import ESP, NOT_BY_TYPE, name_of
from dockyard.errors import DockyardError, Problem, Severity
from dockyard.filesystems import by_name
from dockyard.inspection.disks import FoundDisk, FoundPartition
from dockyard.inspection.mount_points import put_together
from dockyard.inspection.subvolumes import (
    FoundSubvolume,
    candidates,
    named_by,
    placed,
    read_subvolume,
    subvolumes_of,
)
from dockyard.inspection.tree import Mounted, Tree
from dockyard.inspection.verity import find_trees
from dockyard.model.os_release import release_of
from dockyard.model.storage import PartitionType

if TYPE_CHECKING:
    from dockyard.tools.unpacked import ToolTrees

# /var is not among them: that partition is a system's own only by an id that the machine makes.
_BY_TYPE: Mapping[str, str] = {
    PartitionType.HOME: "/home",
    PartitionType.SRV: "/srv",
    PartitionType.TMP: "/var/tmp",
    PartitionType.USR: "/usr",
    PartitionType.XBOOTLDR: "/boot",
}
# Where extensions say what they fit, of /usr and of /etc: systemd-sysext(8).
_EXTENSIONS = ("/usr/lib/extension-release.d", "/etc/extension-release.d")
_USR_DEVICE = "/dev/mapper/usr"  # systemd-veritysetup-generator(8)


@dataclass(frozen=True, slots=True)
class FoundSystem:
    """tree: the system's. archives: what each file system holds, by the number of its partition.
    mounts: where each is mounted, by number, the root's too. volumes: the subvolumes of btrfs that
    has any, and is mounted, by number. esp: the EFI system partition. remarks: file systems that
    could not be read, or have no place in the tree.
    """

    tree: Tree
    archives: Mapping[int, Archive]
    mounts: Mapping[int, str]
    volumes: Mapping[int, tuple[FoundSubvolume, ...]]
    esp: int | None
    remarks: tuple[Problem, ...]


def find_system(
    disk: FoundDisk, scratch: Path, tools: ToolTrees, *, digests: bool = False
) -> FoundSystem:
    """Read all file systems of a disk, and put them together.

    scratch: where readers lay data that must be unpacked. digests: see Filesystem.read. Raises
    DockyardError where no file system has a root.
    """
    archives: dict[int, Archive] = {}
    remarks: list[Problem] = []
    for partition in disk.partitions:
        if partition.content is None or not partition.content.module:
            continue
        try:
            archives[partition.number] = read_content(partition, scratch, tools, digests)
        except DockyardError as error:
            remarks += (_remark(partition, each) for each in error.problems)
    readable = [each for each in disk.partitions if each.number in archives]
    root, inside = _root(disk.partitions, archives), None
    if root is None:
        root, inside = _root_in_subvolume(readable, archives, digests)
    if root is None:
        raise DockyardError(*(remarks or [_no_root(disk)]))
    mounts = {root: "/", **mounts_of(disk.partitions, archives, root)}
    fstab = Tree([Mounted(b"", archives[root])]).text("/etc/fstab") or ""
    volumes = dict(_volumes(readable, fstab, mounts, root, inside))
    wanted = [(at, each, archives[each]) for each, at in mounts.items() if each not in volumes]
    for partition in readable:
        for one in volumes.get(partition.number, ()):
            if one.mount:
                read = read_subvolume(partition, one.known.number, digests=digests)
                wanted += [(at, partition.number, read) for at in (one.mount, *one.also)]
    trees, misplaced = put_together(wanted)
    remarks += misplaced.values()
    for number, found in volumes.items():
        mounts[number] = min((one.mount for one in found if one.mount), key=len)
    for number, at in misplaced:
        if mounts.get(number) == at:
            del mounts[number]
    esp = next((p.number for p in disk.partitions if p.entry.type_guid == ESP), None)
    return FoundSystem(Tree(trees), archives, mounts, volumes, esp, tuple(remarks))


def _root_in_subvolume(
    partitions: Sequence[FoundPartition], archives: dict[int, Archive], digests: bool
) -> tuple[int | None, FoundSubvolume | None]:
    """The partition with a subvolume that is a root, which then is what the partition holds. The
    fstab(5) of a snapshot names what it is one of.
    """
    first: tuple[int, FoundSubvolume, Archive] | None = None
    for partition, one in candidates(partitions):
        archive = read_subvolume(partition, one.known.number, digests=digests)
        if _root([partition], {partition.number: archive}) is None:
            continue
        text = Tree([Mounted(b"", archive)]).text("/etc/fstab") or ""
        known = subvolumes_of(partition)
        own = [fields[3] for fields in _lines(text) if len(fields) > 3 and fields[1] == "/"]
        is_named = any(named_by(options, known) == one for options in own)
        if first is None or is_named:
            first = (partition.number, one, archive)
        if is_named:
            break
    if first is None:
        return None, None
    number, one, archives[number] = first
    return number, one


def _volumes(
    partitions: Sequence[FoundPartition],
    fstab: str,
    mounts: Mapping[int, str],
    root: int,
    inside: FoundSubvolume | None,
) -> Iterator[tuple[int, tuple[FoundSubvolume, ...]]]:
    """The subvolumes of all volumes that have some, by the number of the partition. inside: the
    one that is the root, where it is not the default one.
    """
    for partition in partitions:
        known = subvolumes_of(partition)
        if not known:
            continue
        mounted: dict[str, list[str]] = {}
        usual = named_by("", known)
        if partition.number == root and (first := inside or usual):
            mounted[first.path] = ["/"]
        for fields in _lines(fstab):
            at = _unquoted(fields[1])
            if at == "/" or len(fields) < 4 or not _is_named(partition, fields[0]):
                continue
            one = named_by(fields[3], known)
            hidden = one is None or (not one.path and "noauto" in fields[3].split(","))
            if one is not None and not hidden and [at] not in mounted.values():
                mounted.setdefault(one.path, []).append(at)
        if not mounted and usual is not None and partition.number in mounts:
            mounted[usual.path] = [mounts[partition.number]]
        if mounted:
            yield partition.number, placed(known, mounted)


def _lines(fstab: str) -> Iterator[list[str]]:
    """The fields of the lines of fstab(5) that mount something."""
    for line in fstab.splitlines():
        fields = line.split()
        if len(fields) > 2 and not fields[0].startswith("#") and fields[1].startswith("/"):
            yield fields


def _unquoted(path: str) -> str:
    return unescaped(path).rstrip("/") or "/"


def read_content(
    partition: FoundPartition, scratch: Path, tools: ToolTrees, digests: bool
) -> Archive:
    """What the file system of a partition holds. Raises DockyardError."""
    assert partition.content is not None
    module = by_name(partition.content.module)
    own = tools.named(module.needs)
    return module.read(partition.region, own, scratch, digests=digests)


def _root(partitions: Sequence[FoundPartition], archives: Mapping[int, Archive]) -> int | None:
    alone = {number: Tree([Mounted(b"", archive)]) for number, archive in archives.items()}
    for number, tree in alone.items():
        if release_of(tree.entry):
            return number
    # Its /usr may be a file system of its own.
    for number, tree in alone.items():
        if tree.entry("/etc") and tree.entry("/usr"):
            return number
    # It may be what is laid over a root.
    for number, tree in alone.items():
        if any(tree.entry(place) for place in _EXTENSIONS):
            return number
    return None


def mounts_of(
    partitions: Sequence[FoundPartition], archives: Mapping[int, Archive], root: int
) -> dict[int, str]:
    """Where file systems are mounted in a root, by the numbers of their partitions."""
    tree = Tree([Mounted(b"", archives[root])])
    found = _by_fstab(tree.text("/etc/fstab") or "", partitions, archives, root)
    kinds = {each.number: name_of(each.entry.type_guid) for each in partitions}
    has_boot = PartitionType.XBOOTLDR in kinds.values()
    places = {**_BY_TYPE, PartitionType.ESP: "/efi" if has_boot or tree.entry("/efi") else "/boot"}
    for partition in partitions:
        number = partition.number
        known = number in archives and number != root and number not in found
        if not known or partition.entry.attributes & NOT_BY_TYPE:
            continue
        at = places.get(kinds[number], "")
        if at and at not in found.values() and not tree.names(at):
            found[number] = at
    return found


def _by_fstab(
    fstab: str, partitions: Sequence[FoundPartition], archives: Mapping[int, Archive], root: int
) -> dict[int, str]:
    found: dict[int, str] = {}
    for fields in _lines(fstab):
        at = _unquoted(fields[1])
        for partition in partitions:
            number = partition.number
            known = number in archives and number != root and number not in found
            if (
                at != "/"
                and known
                and (
                    _is_named(partition, fields[0]) or _is_sealed(partition, fields[0], partitions)
                )
            ):
                found[number] = at
    return found


def _is_sealed(partition: FoundPartition, spec: str, partitions: Sequence[FoundPartition]) -> bool:
    """Whether the first field of a line of fstab(5) is the verity device of /usr, which has its
    data on a partition.
    """
    if spec != _USR_DEVICE:
        return False
    return any(tree.data == partition.number for tree in find_trees(partitions))


def _is_named(partition: FoundPartition, spec: str) -> bool:
    """Whether the first field of a line of fstab(5) is about a partition."""
    content = partition.content
    assert content is not None
    for path, tag in (
        ("/dev/disk/by-uuid/", "UUID"),
        ("/dev/disk/by-partuuid/", "PARTUUID"),
        ("/dev/disk/by-label/", "LABEL"),
        ("/dev/disk/by-partlabel/", "PARTLABEL"),
    ):
        if spec.startswith(path):
            spec = f"{tag}={spec.removeprefix(path)}"
    tag, _, value = spec.partition("=")
    value = unescaped(value.strip('"'))
    names = {
        "UUID": content.uuid.lower(),
        "PARTUUID": str(partition.entry.guid),
        "LABEL": content.label,
        "PARTLABEL": partition.entry.name,
    }
    if tag in ("UUID", "PARTUUID"):
        value = value.lower()
    return bool(value) and names.get(tag) == value


def _remark(partition: FoundPartition, problem: Problem) -> Problem:
    where = f"partition {partition.number}" if partition.number else problem.where
    return replace(problem, where=where, severity=Severity.WARNING)


def _no_root(disk: FoundDisk) -> Problem:
    if disk.medium is not None:
        return Problem(
            "image.no-root",
            "the medium has no root that can be read",
            str(disk.raw.path),
            disk.medium.lacking,
            "give a live medium whose root is an image on it, or a disk image",
        )
    kinds = [p.content.kind if p.content else "unknown" for p in disk.partitions]
    return Problem(
        "image.no-root",
        "the image has no file system with a root that can be read",
        str(disk.raw.path),
        f"its partitions hold: {', '.join(kinds) or 'nothing'}",
        "give an image whose root is ext4, xfs, btrfs or erofs, outside of LVM, RAID and LUKS",
    )
