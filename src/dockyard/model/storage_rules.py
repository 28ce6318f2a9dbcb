"""The rules of `storage` across its parts: what belongs together, and which device is used by what.

What is mounted where is in `mount_rules`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from dockyard.model.base import ANY, MIB, Mistake, Segment
from dockyard.model.family import ESP_MOUNT
from dockyard.model.filesystems import FileSystem
from dockyard.model.storage import Storage

# What a rule looks at. Rules name no more than they need, so that they still speak when other
# parts of the file could not be read.
# The partitions that a disk needs to be started.
_NEEDED = (
    ("efi", "esp"),
    ("legacy", "bios-grub"),
    ("hybrid", "bios-grub"),
    ("hybrid", "esp"),
)
_Reads: TypeAlias = tuple[tuple[Segment, ...], ...]
_PARTITION_IDS: _Reads = (("disks", ANY, "partitions", ANY, "id"),)
_DEVICE_IDS: _Reads = (*_PARTITION_IDS, ("verity", ANY, "id"))


def storage(value: Storage) -> Iterator[Mistake]:
    """The broken rules of one layout, but for those of its mounts."""
    yield from _inline_verity(value)
    yield from _presence(value)
    yield from _verity_presence(value)
    yield from _unique_ids(value)
    yield from _uses(value)
    yield from _boot_partitions(value)


def _inline_verity(value: Storage) -> Iterator[Mistake]:
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


def _presence(value: Storage) -> Iterator[Mistake]:
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


def _verity_presence(value: Storage) -> Iterator[Mistake]:
    disks = bool(value.disks)
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


def _unique_ids(value: Storage) -> Iterator[Mistake]:
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
        reads=(path,) if name else (*_DEVICE_IDS, ("verity", ANY, "name")),
    )


def _uses(value: Storage) -> Iterator[Mistake]:
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
                reads=(path, *_DEVICE_IDS),
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


def _boot_partitions(value: Storage) -> Iterator[Mistake]:
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
    for boot_type, needed in _NEEDED:
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
    item: FileSystem | None,
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
    elif item.mount_point is None or item.mount_point.path != ESP_MOUNT:
        yield Mistake(
            (*system, "mountPoint"),
            "config.boot-partition",
            f"the ESP {name!r} is not mounted at {ESP_MOUNT}",
            f"set `mountPoint: {ESP_MOUNT}`",
            reads=((*system, "mountPoint"),),
        )
