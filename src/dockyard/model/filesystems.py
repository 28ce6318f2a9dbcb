"""File systems of an image file (`storage.filesystems`): kinds, mount points, btrfs subvolumes."""

import posixpath
from collections.abc import Iterator
from enum import StrEnum
from typing import Any, ClassVar

from dockyard.model.base import (
    LONGEST_PATH,
    TARGET_PATH,
    Mistake,
    Model,
    absolute_path_mistakes,
    has_blank,
    separator_mistakes,
)
from dockyard.model.family import ESP_MOUNT
from dockyard.model.fields import Size, field
from dockyard.model.mount_options import unknown_options

# What must be there before anything is mounted: systemd reads /etc/fstab and runs from /usr/lib
# (/bin, /sbin and /lib lead there), and keeps its own file systems at the others.
_NEVER_MOUNTED = (
    *("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"),
    *("/usr/bin", "/usr/sbin", "/usr/lib", "/usr/lib64", "/etc"),
    *("/dev", "/proc", "/sys", "/run", "/var/lock", "/var/run"),
)


class FileSystemType(StrEnum):
    BTRFS = "btrfs"
    EROFS = "erofs"
    EXT4 = "ext4"
    FAT32 = "fat32"
    VFAT = "vfat"
    XFS = "xfs"

    @property
    def is_fat(self) -> bool:
        """Whether it has neither owners nor modes, and short names of its own."""
        return self in (FileSystemType.FAT32, FileSystemType.VFAT)

    @property
    def kernel_name(self) -> str:
        """What the kernel, mount(8) and fstab(5) call it; its module in `filesystems` as well."""
        return "vfat" if self.is_fat else self.value


class ErofsCompression(StrEnum):
    NONE = "none"
    LZ4 = "lz4"
    LZ4HC = "lz4hc"
    LZMA = "lzma"
    ZSTD = "zstd"


class MountIdType(StrEnum):
    UUID = "uuid"
    PART_UUID = "part-uuid"
    PART_LABEL = "part-label"


def normal(path: str) -> str:
    """The path without doubled slashes, `.` and `..`."""
    return posixpath.normpath("/" + path.lstrip("/"))


class MountPoint(Model):
    """Where a file system is mounted. A bare string is its path."""

    shorthand: ClassVar[str | None] = "path"
    schema_rules: ClassVar[dict[str, Any]] = {"required": ["path"]}

    id_type: MountIdType | None = field(
        "How /etc/fstab names the file system. Default: `part-uuid`.",
        default=None,
        examples=["part-label"],
    )
    options: str = field(
        "Mount options, separated by commas.",
        default="",
        examples=["umask=0077"],
        schema={"pattern": r"^\S*$"},
    )
    path: str = field(
        "Absolute path in the image.", default="", examples=[ESP_MOUNT], schema=TARGET_PATH
    )

    def mistakes(self) -> Iterator[Mistake]:
        yield from absolute_path_mistakes(self.path, "path")
        yield from separator_mistakes(self.path, "path")
        path = normal(self.path)
        if path in _NEVER_MOUNTED or path.startswith(("/proc/", "/sys/")):
            yield Mistake(
                ("path",),
                "config.mount-place",
                f"nothing can be mounted at {path}",
                "choose a directory below it, or another place",
                "the system needs it before it mounts what /etc/fstab names",
                reads=(("path",),),
            )
        if has_blank(self.options):
            yield Mistake(
                ("options",),
                "config.mount-options",
                "the mount options have a blank",
                "separate options by commas alone",
            )


class BtrfsQuota(Model):
    """Limits of a btrfs subvolume."""

    referenced_limit: Size | None = field(
        "Most data that the subvolume may refer to, shared data included.",
        default=None,
        examples=["10G"],
    )
    exclusive_limit: Size | None = field(
        "Most data that the subvolume may hold for itself alone.", default=None, examples=["8G"]
    )

    def mistakes(self) -> Iterator[Mistake]:
        for key, limit in (
            ("referencedLimit", self.referenced_limit),
            ("exclusiveLimit", self.exclusive_limit),
        ):
            if limit == 0:
                yield Mistake(
                    (key,), "config.quota", f"{key} is 0", "give 1M or more, or leave the key out"
                )


class BtrfsSubvolume(Model):
    """A subvolume of a btrfs file system."""

    schema_rules: ClassVar[dict[str, Any]] = {"required": ["path"]}

    path: str = field(
        "Path from the top of the file system, without a leading or trailing slash.",
        default="",
        examples=["root", "var/log"],
        schema={"pattern": r"^(?!\.{1,2}(/|$))[^/]+(/(?!\.{1,2}(/|$))[^/]+)*$"},
    )
    mount_point: MountPoint | None = field(
        "Where the subvolume is mounted. Default: nowhere.", default=None
    )
    quota: BtrfsQuota | None = field("Limits of the subvolume.", default=None)

    def mistakes(self) -> Iterator[Mistake]:
        parts = self.path.split("/")
        if not self.path:
            yield Mistake(("path",), "config.empty", "the subvolume has no path", "add `path`")
        elif "" in parts or "." in parts or ".." in parts:
            better = normal(self.path).lstrip("/")
            yield Mistake(
                ("path",),
                "config.subvolume-path",
                f"{self.path!r} is not the path of a subvolume",
                f"write {better!r}" if better else "write a name",
                "it has no slash at either end, no doubled slash, no `.` and no `..`",
            )
        if self.mount_point:
            yield from _btrfs_options(self.mount_point.options)


class Btrfs(Model):
    """What only btrfs file systems have."""

    subvolumes: tuple[BtrfsSubvolume, ...] = field(
        "Subvolumes to create. Excludes the file system's own `mountPoint`.", default=()
    )

    def mistakes(self) -> Iterator[Mistake]:
        seen: dict[str, int] = {}
        for index, item in enumerate(self.subvolumes):
            if item.path and seen.setdefault(item.path, index) != index:
                yield Mistake(
                    ("subvolumes", index, "path"),
                    "config.duplicate",
                    f"subvolume {item.path!r} is given twice",
                    "remove one of them",
                    reads=(("subvolumes", index, "path"),),
                )
        yield from self._loops()

    def _loops(self) -> Iterator[Mistake]:
        mounted = {
            item.path: normal(item.mount_point.path) for item in self.subvolumes if item.mount_point
        }
        for index, item in enumerate(self.subvolumes):
            inner = mounted.get(item.path)
            if inner is None or item.mount_point is None or len(item.path) > LONGEST_PATH:
                continue
            for end in (at for at, letter in enumerate(item.path) if letter == "/"):
                outer = mounted.get(item.path[:end])
                if outer and outer != inner and outer.startswith(inner.rstrip("/") + "/"):
                    yield Mistake(
                        ("subvolumes", index, "mountPoint"),
                        "config.mount-loop",
                        f"subvolume {item.path!r} is mounted above its parent {item.path[:end]!r}",
                        f"mount it below {outer}, or rename it so that it is no child",
                        "each of the two would have to be there before the other",
                        reads=(("subvolumes", index),),
                    )


# The levels of each algorithm of erofs; one that is absent has none.
_EROFS_LEVELS = {
    ErofsCompression.LZ4HC: (1, 12),
    ErofsCompression.LZMA: (0, 9),
    ErofsCompression.ZSTD: (1, 22),
}


class Erofs(Model):
    """What only erofs file systems have."""

    compression: ErofsCompression = field(
        "How the data are compressed. `zstd` needs Linux 6.10, `lzma` 5.16.",
        default=ErofsCompression.LZ4HC,
        examples=["zstd"],
    )
    level: int | None = field(
        "How hard it is tried: 1 to 12 for `lz4hc`, 0 to 9 for `lzma`, 1 to 22 for `zstd`. "
        "Default: 9, 6 and 3.",
        default=None,
        examples=[9],
    )

    def mistakes(self) -> Iterator[Mistake]:
        if self.level is None:
            return
        levels = _EROFS_LEVELS.get(self.compression)
        if levels is None:
            yield Mistake(
                ("level",),
                "config.erofs-level",
                f"the compression `{self.compression}` has no levels",
                "remove `level`, or choose `lz4hc`, `lzma` or `zstd`",
            )
        elif not levels[0] <= self.level <= levels[1]:
            yield Mistake(
                ("level",),
                "config.erofs-level",
                f"{self.level} is not a level of `{self.compression}`",
                f"give a number from {levels[0]} to {levels[1]}",
            )


class FileSystem(Model):
    """A file system on a partition or a verity device."""

    schema_rules: ClassVar[dict[str, Any]] = {
        "required": ["deviceId"],
        "dependentRequired": {"mountPoint": ["type"]},
    }

    device_id: str = field(
        "`id` of the partition or of the verity device.", default="", examples=["rootfs"]
    )
    type: FileSystemType | None = field(
        "Kind of the file system. Default: none is made.", default=None, examples=["ext4"]
    )
    mount_point: MountPoint | None = field(
        "Where it is mounted. Default: nowhere.", default=None, examples=["/"]
    )
    btrfs: Btrfs | None = field("Settings of a btrfs file system.", default=None)
    erofs: Erofs | None = field(
        "Settings of an erofs file system. A key of Dockyard's own.", default=None
    )

    @property
    def mount_points(self) -> tuple[MountPoint, ...]:
        """Where it, or a subvolume of it, is mounted."""
        below = [one.mount_point for one in self.btrfs.subvolumes] if self.btrfs else []
        return tuple(each for each in (self.mount_point, *below) if each)

    def mistakes(self) -> Iterator[Mistake]:
        if not self.device_id:
            yield Mistake(
                ("deviceId",),
                "config.required",
                "the file system has no `deviceId`",
                "name a partition or a verity device",
            )
        if self.mount_point and self.type is None:
            yield Mistake(
                ("mountPoint",),
                "config.required",
                "a file system with a `mountPoint` needs a `type`",
                "add `type: ext4`, or another",
            )
        for kind, settings in (("btrfs", self.btrfs), ("erofs", self.erofs)):
            if settings is not None and self.type != kind:
                yield Mistake(
                    (kind,),
                    "config.exclusive",
                    f"`{kind}` settings on a file system of type {self.type or 'none'}",
                    f"set `type: {kind}`, or remove `{kind}`",
                )
        if self.mount_point and self.btrfs and self.btrfs.subvolumes:
            yield Mistake(
                ("mountPoint",),
                "config.exclusive",
                "`mountPoint` and `btrfs.subvolumes` exclude each other",
                "give the mount point to one of the subvolumes",
            )
        if self.mount_point:
            options = self.mount_point.options
            yield from unknown_options(options, self.type, "mountPoint", "options")
            if self.type == "btrfs":
                yield from _btrfs_options(options)
        for index, subvolume in enumerate(self.btrfs.subvolumes if self.btrfs else ()):
            if subvolume.mount_point:
                options = subvolume.mount_point.options
                at = ("btrfs", "subvolumes", index, "mountPoint", "options")
                yield from unknown_options(options, "btrfs", *at)


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
