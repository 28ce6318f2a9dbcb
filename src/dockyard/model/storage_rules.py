"""The rules of `storage` that look at one disk, partition, file system or verity device."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from dockyard.model.base import MIB, Mistake, Step, absolute_path_mistakes, has_blank

if TYPE_CHECKING:
    from dockyard.model import storage as m

# Both copies of the partition table take less than this; 1 MiB keeps partitions aligned.
GPT_HEADER = MIB
GPT_FOOTER = MIB
LONGEST_LABEL = 35
VERITY_MOUNTS = {"/": "root", "/usr": "usr"}


def extents(disk: m.Disk) -> tuple[tuple[int, int | None], ...]:
    """Start and end of each partition in bytes; the end is None where the partition grows."""
    found: list[tuple[int, int | None]] = []
    following: int | None = GPT_HEADER
    for partition in disk.partitions:
        start = partition.start
        if start is None:
            start = following if following is not None else found[-1][0]
        end = partition.end
        if end is None and isinstance(partition.size, int):
            end = start + partition.size
        found.append((start, end))
        following = end
    return tuple(found)


def normal(path: str) -> str:
    """The path without doubled slashes, `.` and `..`."""
    return posixpath.normpath("/" + path.lstrip("/"))


def partition(value: m.Partition) -> Iterator[Mistake]:
    if not value.label.isascii() or not value.label.isprintable():
        yield Mistake(
            ("label",),
            "config.partition-label",
            "the label has characters outside ASCII",
            "use letters, digits and punctuation of ASCII",
            reads=(("label",),),
        )
    if len(value.label) > LONGEST_LABEL:
        yield Mistake(
            ("label",),
            "config.partition-label",
            f"the label is {len(value.label)} characters long",
            f"use at most {LONGEST_LABEL}",
            "a partition table has no room for more",
            reads=(("label",),),
        )
    if value.end is not None and value.size is not None:
        yield Mistake(
            ("size",),
            "config.exclusive",
            "`end` and `size` exclude each other",
            "keep one of them",
        )
    elif value.size == 0:
        yield Mistake(
            ("size",), "config.partition-size", "the partition has no size", "give 1M or more"
        )
    elif value.end is not None and value.start is not None and value.end <= value.start:
        yield Mistake(
            ("end",),
            "config.partition-size",
            "the partition ends before it starts",
            f"give an `end` beyond {_mib(value.start)}",
        )


def disk(value: m.Disk) -> Iterator[Mistake]:
    if value.max_size == 0:
        yield Mistake(("maxSize",), "config.disk-size", "the disk has no size", "give 1M or more")
    spans = extents(value)
    for index in range(len(spans)):
        yield from _place(value, spans, index)
    yield from _fit(value, spans)


def _mib(size: int) -> str:
    return f"{size // MIB}M"


def _named(partition: m.Partition) -> str:
    return f"partition `{partition.id}`" if partition.id else "the partition"


def _place(
    disk: m.Disk, spans: tuple[tuple[int, int | None], ...], index: int
) -> Iterator[Mistake]:
    partition, (start, end) = disk.partitions[index], spans[index]
    at: tuple[Step, ...] = ("partitions", index)
    if start < GPT_HEADER:
        yield Mistake(
            (*at, "start"),
            "config.partition-place",
            f"{_named(partition)} starts at {_mib(start)}",
            "start at 1M or later",
            "the first 1 MiB of a disk holds the partition table",
        )
    if partition.type == "bios-grub" and start != GPT_HEADER:
        yield Mistake(
            (*at, "start"),
            "config.partition-place",
            f"the bios-grub partition starts at {_mib(start)}",
            "make it the first partition, at 1M",
        )
    if end is not None and partition.start is None and end <= start:
        yield Mistake(
            (*at, "end" if partition.end is not None else "size"),
            "config.partition-size",
            f"{_named(partition)} ends before it starts, at {_mib(start)}",
            f"give an `end` beyond {_mib(start)}",
        )
    if index + 1 < len(spans):
        following = spans[index + 1][0]
        if end is None:
            yield Mistake(
                at,
                "config.partition-grow",
                f"{_named(partition)} grows but is not the last",
                "give it a `size`; only the last partition may grow",
            )
        elif following < end:
            yield Mistake(
                (*at[:1], index + 1, "start"),
                "config.partition-overlap",
                f"{_named(disk.partitions[index + 1])} starts at {_mib(following)}, inside "
                f"{_named(partition)}, which ends at {_mib(end)}",
                f"start it at {_mib(end)}, or leave `start` out",
            )


def _fit(disk: m.Disk, spans: tuple[tuple[int, int | None], ...]) -> Iterator[Mistake]:
    last_start, last_end = spans[-1] if spans else (GPT_HEADER, GPT_HEADER)
    if disk.max_size is None:
        if not spans or last_end is None:
            yield Mistake(
                ("partitions", len(spans) - 1) if spans else (),
                "config.disk-size",
                "the size of the disk is not given",
                "add `maxSize` to the disk, or a `size` to the last partition",
            )
        return
    needed = (last_end if last_end is not None else last_start + MIB) + GPT_FOOTER
    if spans and 0 < disk.max_size < needed:
        yield Mistake(
            ("maxSize",),
            "config.disk-size",
            f"the disk is {_mib(disk.max_size)}, but its partitions need {_mib(needed)}",
            f"set `maxSize: {_mib(needed)}` or more, or shrink the partitions",
            "the partition table takes 1 MiB at each end",
        )


def mount_point(value: m.MountPoint) -> Iterator[Mistake]:
    yield from absolute_path_mistakes(value.path, "path")
    if has_blank(value.path):
        yield Mistake(
            ("path",), "config.path-characters", "the path has a blank", "use a path without"
        )
    if has_blank(value.options):
        yield Mistake(
            ("options",),
            "config.mount-options",
            "the mount options have a blank",
            "separate options by commas alone",
        )


def quota(value: m.BtrfsQuota) -> Iterator[Mistake]:
    for key, limit in (
        ("referencedLimit", value.referenced_limit),
        ("exclusiveLimit", value.exclusive_limit),
    ):
        if limit == 0:
            yield Mistake(
                (key,), "config.quota", f"{key} is 0", "give 1M or more, or leave the key out"
            )


def subvolume(value: m.BtrfsSubvolume) -> Iterator[Mistake]:
    parts = value.path.split("/")
    if not value.path:
        yield Mistake(("path",), "config.empty", "the subvolume has no path", "add `path`")
    elif "" in parts or "." in parts or ".." in parts:
        better = normal(value.path).lstrip("/")
        yield Mistake(
            ("path",),
            "config.subvolume-path",
            f"{value.path!r} is not the path of a subvolume",
            f"write {better!r}" if better else "write a name",
            "it has no slash at either end, no doubled slash, no `.` and no `..`",
        )
    if value.mount_point:
        yield from _btrfs_options(value.mount_point.options)


def _btrfs_options(options: str) -> Iterator[Mistake]:
    for option in options.split(","):
        name = option.partition("=")[0]
        if name in ("subvol", "subvolid"):
            yield Mistake(
                ("mountPoint", "options"),
                "config.mount-options",
                f"the mount option `{name}=` cannot be given",
                f"remove `{option}`; use `btrfs.subvolumes` to mount a subvolume",
                "it is written for each subvolume",
            )


def subvolumes(value: m.Btrfs) -> Iterator[Mistake]:
    seen: dict[str, int] = {}
    for index, item in enumerate(value.subvolumes):
        if item.path and seen.setdefault(item.path, index) != index:
            yield Mistake(
                ("subvolumes", index, "path"),
                "config.duplicate",
                f"subvolume {item.path!r} is given twice",
                "remove one of them",
            )
    mounted = [
        (index, item.path.split("/"), normal(item.mount_point.path))
        for index, item in enumerate(value.subvolumes)
        if item.mount_point
    ]
    for _, outer, outer_mount in mounted:
        for index, inner, inner_mount in mounted:
            above = inner_mount.rstrip("/") + "/"
            if (
                len(outer) < len(inner)
                and inner[: len(outer)] == outer
                and outer_mount != inner_mount
                and outer_mount.startswith(above)
            ):
                yield Mistake(
                    ("subvolumes", index, "mountPoint"),
                    "config.mount-loop",
                    f"subvolume {'/'.join(inner)!r} is mounted above its parent "
                    f"{'/'.join(outer)!r}",
                    f"mount it below {outer_mount}, or rename it so that it is no child",
                    "each of the two would have to be there before the other",
                )


def file_system(value: m.FileSystem) -> Iterator[Mistake]:
    if not value.device_id:
        yield Mistake(
            ("deviceId",),
            "config.required",
            "the file system has no `deviceId`",
            "name a partition or a verity device",
        )
    if value.mount_point and value.type is None:
        yield Mistake(
            ("mountPoint",),
            "config.required",
            "a file system with a `mountPoint` needs a `type`",
            "add `type: ext4`, or another",
        )
    if value.btrfs is not None and value.type != "btrfs":
        yield Mistake(
            ("btrfs",),
            "config.exclusive",
            f"`btrfs` settings on a file system of type {value.type or 'none'}",
            "set `type: btrfs`, or remove `btrfs`",
        )
    if value.mount_point and value.btrfs and value.btrfs.subvolumes:
        yield Mistake(
            ("mountPoint",),
            "config.exclusive",
            "`mountPoint` and `btrfs.subvolumes` exclude each other",
            "give the mount point to one of the subvolumes",
        )
    if value.mount_point and value.type == "btrfs":
        yield from _btrfs_options(value.mount_point.options)


def identified_partition(value: m.IdentifiedPartition) -> Iterator[Mistake]:
    if not value.id:
        yield Mistake(("id",), "config.required", "no `id`", "add the label of the partition")


def verity(value: m.Verity) -> Iterator[Mistake]:
    if not value.id:
        yield Mistake(("id",), "config.required", "the verity device has no `id`", "add `id`")
    if value.name not in VERITY_MOUNTS.values():
        yield Mistake(
            ("name",),
            "config.verity-name",
            f"{value.name!r} is not the name of a verity device",
            "use `root` for / or `usr` for /usr",
            "the initrd sets up these two, by name",
        )
    for role, device_id, device in (
        ("data", value.data_device_id, value.data_device),
        ("hash", value.hash_device_id, value.hash_device),
    ):
        if device_id and device:
            yield Mistake(
                (f"{role}Device",),
                "config.exclusive",
                f"`{role}DeviceId` and `{role}Device` exclude each other",
                "keep one of them",
            )
        if not device_id and not device:
            yield Mistake(
                (),
                "config.required",
                f"the verity device has neither `{role}DeviceId` nor `{role}Device`",
                f"add `{role}DeviceId: <id of a partition>`",
            )
    if (value.data_device_id and value.hash_device) or (value.data_device and value.hash_device_id):
        yield Mistake(
            ("hashDevice" if value.hash_device else "hashDeviceId",),
            "config.exclusive",
            "one device is of the new disk, the other of the input image",
            "use `dataDeviceId` with `hashDeviceId`, or `dataDevice` with `hashDevice`",
        )
    path = value.hash_signature_path
    if path and (normal(path) != path or not re.match(r"/boot/.", path)):
        yield Mistake(
            ("hashSignaturePath",),
            "config.verity-signature",
            f"{path!r} is not a path under /boot",
            "write an absolute path such as /boot/root.hash.sig, without `.` and `..`",
        )
