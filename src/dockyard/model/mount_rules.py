"""The rules of `storage` about mounts: which device is mounted where, and by which name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from dockyard.model.base import ANY, Mistake, Segment
from dockyard.model.filesystems import FileSystem, MountIdType, MountPoint, normal
from dockyard.model.partitions import Partition
from dockyard.model.storage import VERITY_MOUNTS, Storage

# Taken out of what fstab(5) and the kernel command line say, or read together with what follows.
_QUOTING = frozenset("\"'\\")
# What a rule looks at. Rules name no more than they need, so that they still speak when other
# parts of the file could not be read.
_MOUNTED: tuple[tuple[Segment, ...], ...] = tuple(
    ("filesystems", ANY, key) for key in ("deviceId", "mountPoint", "btrfs", "type")
)


class _Mounted(NamedTuple):
    """A mount point of a file system or of one of its subvolumes."""

    path: tuple[Segment, ...]
    file_system: FileSystem
    point: MountPoint


def storage_mounts(value: Storage) -> Iterator[Mistake]:
    """The broken rules of the mounts of one layout."""
    yield from _mount_paths(value)
    yield from _labels(value)
    yield from _verity_labels(value)
    yield from _verity_mounts(value)


def mounts(storage: Storage) -> Iterator[_Mounted]:
    """Every mount point, in the order of the file."""
    for index, item in enumerate(storage.filesystems):
        at: tuple[Segment, ...] = ("filesystems", index)
        if item.mount_point:
            yield _Mounted((*at, "mountPoint"), item, item.mount_point)
        for number, subvolume in enumerate(item.btrfs.subvolumes if item.btrfs else ()):
            if subvolume.mount_point:
                path = (*at, "btrfs", "subvolumes", number, "mountPoint")
                yield _Mounted(path, item, subvolume.mount_point)


def _mount_paths(value: Storage) -> Iterator[Mistake]:
    seen: dict[str, str] = {}
    for mount in mounts(value):
        path, device = normal(mount.point.path), mount.file_system.device_id
        if mount.point.path and path in seen:
            yield Mistake(
                mount.path,
                "config.duplicate",
                f"{seen[path]!r} and {device!r} are both mounted at {path}",
                "choose another path for one of them",
                reads=(mount.path,),
            )
        seen.setdefault(path, device)


def _labels(value: Storage) -> Iterator[Mistake]:
    partitions: dict[str, tuple[tuple[Segment, ...], Partition]] = {
        part.id: (("disks", number, "partitions", index), part)
        for number, disk in enumerate(value.disks)
        for index, part in enumerate(disk.partitions)
    }
    counts = Counter(part.label for _, part in partitions.values())
    verity = {device.id for device in value.verity}
    for mount in mounts(value):
        device = mount.file_system.device_id
        if device in verity and mount.point.id_type:
            yield Mistake(
                (*mount.path, "idType"),
                "config.verity-mount",
                "the mount point of a verity device has no `idType`",
                "remove `idType`",
                "a verity device is mounted by its own name",
                reads=(mount.path,),
            )
        if mount.point.id_type != "part-label" or device not in partitions:
            continue
        label = partitions[device][1].label
        if not label or counts[label] > 1:
            yield Mistake(
                (*mount.path, "idType"),
                "config.partition-label",
                f"several partitions have the label {label!r}"
                if label
                else f"partition {device!r} has no label",
                "give the partition a `label` of its own, or use another `idType`",
                reads=((*partitions[device][0], "label"),),
            )
        elif odd := sorted(set(label) & _QUOTING):
            yield Mistake(
                (*mount.path, "idType"),
                "config.partition-label",
                f"a mount cannot name the label {label!r}, which has {' and '.join(odd)}",
                "choose a label without it, or use another `idType`",
                "in /etc/fstab and on the kernel command line these characters quote others",
                reads=((*partitions[device][0], "label"),),
            )


def _verity_labels(value: Storage) -> Iterator[Mistake]:
    """What the kernel command line names by its label has one, of its own."""
    partitions = {part.id: part for disk in value.disks for part in disk.partitions}
    counts = Counter(part.label for part in partitions.values())
    for index, device in enumerate(value.verity):
        for key, id_type, device_id in (
            ("dataDeviceMountIdType", device.data_device_mount_id_type, device.data_device_id),
            ("hashDeviceMountIdType", device.hash_device_mount_id_type, device.hash_device_id),
        ):
            part = partitions.get(device_id)
            if id_type is not MountIdType.PART_LABEL or part is None:
                continue
            odd = sorted(set(part.label) & _QUOTING)
            if part.label and counts[part.label] == 1 and not odd:
                continue
            what = f"several partitions have the label {part.label!r}"
            if not part.label:
                what = f"partition {part.id!r} has no label"
            elif odd:
                what = f"the kernel command line cannot name the label {part.label!r}"
            yield Mistake(
                ("verity", index, key),
                "config.partition-label",
                what,
                "give the partition a `label` of its own, or use another way to name it",
                reads=(("verity", index), ("disks", ANY, "partitions", ANY, "label")),
            )


def _verity_mounts(value: Storage) -> Iterator[Mistake]:
    if not value.disks:
        return
    for index, device in enumerate(value.verity):
        if device.data_device or device.hash_device or not device.id:
            continue
        found = [mount for mount in mounts(value) if mount.file_system.device_id == device.id]
        if len(found) > 1:
            yield Mistake(
                found[1].path,
                "config.verity-mount",
                f"verity device {device.id!r} has several mount points",
                "keep one",
                reads=(found[1].path,),
            )
            continue
        path = found[0].point.path if found else ""
        if path not in VERITY_MOUNTS:
            yield Mistake(
                found[0].path if found else ("verity", index),
                "config.verity-mount",
                f"verity device {device.id!r} is not mounted at / or /usr",
                f"add a file system with `deviceId: {device.id}` and a `mountPoint`",
                reads=(*_MOUNTED, ("verity", index, "id")),
            )
            continue
        if device.name != VERITY_MOUNTS[path]:
            yield Mistake(
                ("verity", index, "name"),
                "config.verity-name",
                f"the verity device at {path} is named {device.name!r}",
                f"set `name: {VERITY_MOUNTS[path]}`",
                reads=(("verity", index, "name"),),
            )
        if "ro" not in found[0].point.options.split(","):
            yield Mistake(
                found[0].path,
                "config.verity-mount",
                f"the verity device at {path} is not mounted read-only",
                "add `ro` to the mount point's `options`",
                reads=(found[0].path,),
            )
