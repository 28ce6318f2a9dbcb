"""The rules of `storage` across its parts: which device is used by what, and mounted where."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from dockyard.model.base import ANY, MIB, Mistake, Segment
from dockyard.model.filesystems import normal

if TYPE_CHECKING:
    from dockyard.model import storage as m

# The device that the initrd sets up for each mount point, by name.
VERITY_MOUNTS = {"/": "root", "/usr": "usr"}
# What a rule looks at. Rules name no more than they need, so that they still speak when other
# parts of the file could not be read.
_Reads: TypeAlias = tuple[tuple[Segment, ...], ...]
# Taken out of what fstab(5) and the kernel command line say, or read together with what follows.
_QUOTING = frozenset("\"'\\")
PARTITION_IDS: _Reads = (("disks", ANY, "partitions", ANY, "id"),)
DEVICE_IDS: _Reads = (*PARTITION_IDS, ("verity", ANY, "id"))
MOUNTED: _Reads = tuple(
    ("filesystems", ANY, key) for key in ("deviceId", "mountPoint", "btrfs", "type")
)


class Mount(NamedTuple):
    """A mount point of a file system or of one of its subvolumes."""

    path: tuple[Segment, ...]
    file_system: m.FileSystem
    point: m.MountPoint


def mounts(storage: m.Storage) -> Iterator[Mount]:
    """Every mount point, in the order of the file."""
    for index, item in enumerate(storage.filesystems):
        at: tuple[Segment, ...] = ("filesystems", index)
        if item.mount_point:
            yield Mount((*at, "mountPoint"), item, item.mount_point)
        for number, subvolume in enumerate(item.btrfs.subvolumes if item.btrfs else ()):
            if subvolume.mount_point:
                path = (*at, "btrfs", "subvolumes", number, "mountPoint")
                yield Mount(path, item, subvolume.mount_point)


def _inline_verity(value: m.Storage) -> Iterator[Mistake]:
    """Data and hash tree of one partition both take at least a mebibyte, as partitions do."""
    for number, disk in enumerate(value.disks):
        for index, (partition, (start, end)) in enumerate(
            zip(disk.partitions, disk.extents, strict=True)
        ):
            inline = any(
                device.inline and device.data_device_id == partition.id for device in value.verity
            )
            if inline and end is not None and 0 < end - start < 2 * MIB:
                at: tuple[Segment, ...] = ("disks", number, "partitions", index)
                yield Mistake(
                    (*at, "size" if partition.end is None else "end"),
                    "config.partition-size",
                    f"partition {partition.id!r} has no room for data and their hash tree",
                    "give it 2M or more",
                    reads=tuple((*at, key) for key in ("id", "start", "end", "size")),
                )


def storage(value: m.Storage) -> Iterator[Mistake]:
    yield from _inline_verity(value)
    yield from _presence(value)
    yield from _unique_ids(value)
    yield from _uses(value)
    yield from _mount_paths(value)
    yield from _labels(value)
    yield from _boot_partitions(value)
    yield from _verity_mounts(value)


def _presence(value: m.Storage) -> Iterator[Mistake]:
    disks = bool(value.disks)
    if len(value.disks) > 1:
        yield Mistake(
            ("disks", 1),
            "config.several-disks",
            "there is more than one disk",
            "keep one; an image is one disk",
            reads=(),
        )
    if disks and value.boot_type is None:
        yield Mistake(
            ("disks",),
            "config.required",
            "`disks` needs `bootType`",
            "add `bootType: efi` to `storage`",
            reads=(("bootType",),),
        )
    if disks and value.reset_partitions_uuids_type:
        yield Mistake(
            ("resetPartitionsUuidsType",),
            "config.exclusive",
            "`resetPartitionsUuidsType` and `disks` exclude each other",
            "remove `resetPartitionsUuidsType`: a new disk has new ids",
            reads=(),
        )
    for key, given in (("bootType", value.boot_type), ("filesystems", value.filesystems)):
        if given and not disks:
            yield Mistake(
                (key,),
                "config.required",
                f"`{key}` needs `disks`",
                f"add `disks`, or remove `{key}` to keep the disk of the input image",
                reads=(("disks",),),
            )
    for index, device in enumerate(value.verity):
        ids = device.data_device_id or device.hash_device_id
        if ids and not disks:
            yield Mistake(
                ("verity", index),
                "config.required",
                "`dataDeviceId` and `hashDeviceId` need `disks`",
                "add `disks`, or name the input image's partitions by `dataDevice` and "
                "`hashDevice`",
                reads=(("disks",), ("verity", index)),
            )
        if disks and (device.data_device or device.hash_device):
            yield Mistake(
                ("verity", index),
                "config.exclusive",
                "`dataDevice` and `hashDevice` exclude `disks`",
                "use `dataDeviceId` and `hashDeviceId`",
                reads=(("disks",), ("verity", index)),
            )


def _unique_ids(value: m.Storage) -> Iterator[Mistake]:
    seen: set[str] = set()
    for number, disk in enumerate(value.disks):
        for index, partition in enumerate(disk.partitions):
            if partition.id in seen:
                path = ("disks", number, "partitions", index, "id")
                yield _duplicate(path, "id", partition.id)
            seen.add(partition.id)
    names: set[str] = set()
    for index, device in enumerate(value.verity):
        if device.id in seen:
            yield _duplicate(("verity", index, "id"), "id", device.id)
        if device.name in names:
            yield _duplicate(("verity", index, "name"), "verity name", device.name)
        seen.add(device.id)
        names.add(device.name)


def _duplicate(path: tuple[Segment, ...], kind: str, name: str) -> Mistake:
    return Mistake(
        path,
        "config.duplicate",
        f"{kind} {name!r} is used twice",
        "choose another",
        reads=(path,) if name else (*DEVICE_IDS, ("verity", ANY, "name")),
    )


def _uses(value: m.Storage) -> Iterator[Mistake]:
    """Every device that is named exists, and has one user."""
    partitions = {partition.id for disk in value.disks for partition in disk.partitions}
    devices = partitions | {device.id for device in value.verity}
    used: set[str] = set()
    wanted: list[tuple[tuple[Segment, ...], str, set[str]]] = []
    for index, device in enumerate(value.verity):
        wanted.append((("verity", index, "dataDeviceId"), device.data_device_id, partitions))
        if not device.inline:
            wanted.append((("verity", index, "hashDeviceId"), device.hash_device_id, partitions))
    for index, item in enumerate(value.filesystems):
        wanted.append((("filesystems", index, "deviceId"), item.device_id, devices))
    for path, name, known in wanted:
        if not name or not value.disks:
            continue
        if name not in known:
            choices = ", ".join(f"`{choice}`" for choice in sorted(known - {""}))
            yield Mistake(
                path,
                "config.unknown-device",
                f"there is no {'partition' if known is partitions else 'device'} {name!r}",
                f"the ids are {choices}" if choices else "add a partition with this id",
                reads=(path, *DEVICE_IDS),
            )
        elif name in used:
            yield Mistake(
                path,
                "config.device-in-use",
                f"device {name!r} is used by two things",
                "use each partition and each verity device once",
                reads=(path,),
            )
        else:
            used.add(name)


def _mount_paths(value: m.Storage) -> Iterator[Mistake]:
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


def _labels(value: m.Storage) -> Iterator[Mistake]:
    partitions: dict[str, tuple[tuple[Segment, ...], m.Partition]] = {
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


def _boot_partitions(value: m.Storage) -> Iterator[Mistake]:
    by_device = {item.device_id: (index, item) for index, item in enumerate(value.filesystems)}
    types = set()
    for number, disk in enumerate(value.disks):
        for index, partition in enumerate(disk.partitions):
            at: tuple[Segment, ...] = ("disks", number, "partitions", index)
            types.add(partition.type)
            place, item = by_device.get(partition.id, (0, None))
            if partition.type == "esp":
                yield from _esp(partition.id, item, at, ("filesystems", place))
            if partition.type == "bios-grub" and item and (item.type or item.mount_point):
                yield Mistake(
                    ("filesystems", place),
                    "config.boot-partition",
                    "a bios-grub partition holds no file system",
                    "remove `type` and `mountPoint`",
                    reads=(("filesystems", place),),
                )
    if not value.disks:
        return
    for boot_type, needed in (("efi", "esp"), ("legacy", "bios-grub")):
        if value.boot_type == boot_type and needed not in types:
            yield Mistake(
                ("bootType",),
                "config.boot-partition",
                f"`bootType: {boot_type}` needs a partition of type `{needed}`",
                f"add a partition with `type: {needed}`, first on the disk",
                reads=(("disks", ANY, "partitions", ANY, "type"), ("bootType",)),
            )


def _esp(
    name: str,
    item: m.FileSystem | None,
    partition: tuple[Segment, ...],
    system: tuple[Segment, ...],
) -> Iterator[Mistake]:
    if item is None:
        yield Mistake(
            partition,
            "config.boot-partition",
            f"the ESP {name!r} has no FAT file system",
            f"add a file system with `deviceId: {name}` and `type: fat32`",
            "firmware reads nothing else",
            reads=((*partition, "id"), ("filesystems", ANY, "deviceId")),
        )
    elif item.type not in ("fat32", "vfat"):
        yield Mistake(
            (*system, "type"),
            "config.boot-partition",
            f"the ESP {name!r} has no FAT file system",
            "set `type: fat32`",
            "firmware reads nothing else",
            reads=((*system, "type"),),
        )
    elif item.mount_point is None or item.mount_point.path != "/boot/efi":
        yield Mistake(
            (*system, "mountPoint"),
            "config.boot-partition",
            f"the ESP {name!r} is not mounted at /boot/efi",
            "set `mountPoint: /boot/efi`",
            reads=((*system, "mountPoint"),),
        )


def _verity_mounts(value: m.Storage) -> Iterator[Mistake]:
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
                reads=(*MOUNTED, ("verity", index, "id")),
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
