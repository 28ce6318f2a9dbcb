"""Block devices of this host: what each is, who uses it, and the descriptor to write to it by.

What is known of them is read of sysfs (Documentation/ABI/testing/sysfs-block), mountinfo
(proc_pid_mountinfo(5)) and /proc/swaps. Mounts of other namespaces are not seen there: the kernel
itself is asked by O_EXCL, which it refuses while anything holds the device or a part of it.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_SECTOR = 512  # sysfs counts in these, whatever the device has
_OCTAL = re.compile(r"\\([0-7]{3})")
_BLKRRPART = 0x125F
# Where the running system lives.
_OF_SYSTEM = ("/boot", "/efi", "/home", "/usr", "/var")


@dataclass(frozen=True, slots=True)
class BlockDevice:
    """A device. name: the kernel's. size, sector: bytes. parts: names of its partitions. disk: the
    name of the disk that it is a partition of, else empty. title: what its maker calls it.
    """

    name: str
    size: int
    sector: int
    read_only: bool
    parts: tuple[str, ...]
    disk: str
    title: str


@dataclass(frozen=True, slots=True)
class Devices:
    """The devices of a host. sys, proc: where its /sys and its /proc/self are."""

    sys: Path = Path("/sys")
    proc: Path = Path("/proc")

    def find(self, number: int) -> BlockDevice:
        """The device of a number, as st_rdev has it. Raises OSError where there is none."""
        place = self.sys / "dev/block" / f"{os.major(number)}:{os.minor(number)}"
        place = place.resolve(strict=True)
        is_part = (place / "partition").exists()
        whole = place.parent if is_part else place
        return BlockDevice(
            name=place.name,
            size=int((place / "size").read_text()) * _SECTOR,
            sector=int(_text(whole / "queue/logical_block_size") or _SECTOR),
            read_only=_text(place / "ro") == "1" or _text(whole / "ro") == "1",
            parts=tuple(sorted(each.parent.name for each in place.glob("*/partition"))),
            disk=whole.name if is_part else "",
            title=" ".join(_text(whole / "device" / each) for each in ("vendor", "model")).strip(),
        )

    def uses(self, device: BlockDevice) -> Iterator[str]:
        """What uses a device, or a part of it, each in words."""
        names = {device.name, *device.parts}
        for name in (device.name, *device.parts):
            for holder in sorted(self._place(name).glob("holders/*")):
                yield f"{holder.name} ({self._kind(holder.name)}) is made of {name}"
        mounts = list(self._mounts())
        for name, where in mounts:
            if name in names:
                yield f"{name} is mounted at {where}"
        for name in self._swaps():
            if name in names:
                yield f"{name} is swap space"
        if device.name in self._under(mounts):
            yield f"{device.name} holds the running system"

    def users_of_file(self, file: Path) -> Iterator[str]:
        """What uses a regular file as a disk."""
        for backing in sorted(self.sys.glob("block/loop*/loop/backing_file")):
            if _text(backing) == str(file.resolve()):
                yield f"{backing.parents[1].name} (a loop device) is made of it"
        for name in self._swap_files():
            if Path(name) == file.resolve():
                yield "it is swap space"

    def _place(self, name: str) -> Path:
        return self.sys / "class/block" / name

    def _kind(self, name: str) -> str:
        place = self._place(name)
        uuid = _text(place / "dm/uuid")
        if uuid.startswith("LVM-"):
            return f"LVM volume {_text(place / 'dm/name')}"
        if uuid.startswith("CRYPT-"):
            return f"encrypted volume {_text(place / 'dm/name')}"
        if uuid:
            return f"mapped device {_text(place / 'dm/name')}"
        return "RAID" if (place / "md").is_dir() else "a device"

    def _mounts(self) -> Iterator[tuple[str, str]]:
        """The name of the device of each mount, and where that is."""
        for line in _text(self.proc / "self/mountinfo").splitlines():
            left, _, right = line.partition(" - ")
            fields, kinds = left.split(), right.split()
            if len(fields) < 5 or len(kinds) < 2:
                continue
            where = _plain(fields[4])
            number = self.sys / "dev/block" / fields[2]
            if number.exists():
                yield number.resolve().name, where
            # btrfs has numbers that are no device's.
            elif kinds[1].startswith("/dev/"):
                yield Path(_plain(kinds[1])).resolve().name, where

    def _swaps(self) -> Iterator[str]:
        return (Path(each).resolve().name for each in self._swap_files())

    def _swap_files(self) -> Iterator[str]:
        for line in _text(self.proc / "swaps").splitlines()[1:]:
            yield _plain(line.split()[0])

    def _under(self, mounts: list[tuple[str, str]]) -> set[str]:
        """The disks that the running system lies on, through whatever lies between."""
        found: set[str] = set()
        pending = [name for name, where in mounts if _is_of_system(where)] + list(self._swaps())
        while pending:
            name = pending.pop()
            place = self._place(name)
            if name in found or not place.exists():
                continue
            found.add(name)
            pending += [each.name for each in place.glob("slaves/*")]
            if (place / "partition").exists():
                pending.append(place.resolve().parent.name)
        return found


def open_exclusively(path: Path) -> int:
    """A descriptor of a device to write to, which nobody else uses. Raises OSError: EBUSY where
    somebody does.
    """
    return os.open(path, os.O_RDWR | os.O_EXCL | os.O_CLOEXEC)


def read_partitions_again(descriptor: int) -> bool:
    """Have the kernel read the partition table of a device; whether it did."""
    with suppress(OSError):
        fcntl.ioctl(descriptor, _BLKRRPART)
        return True
    return False


def _is_of_system(where: str) -> bool:
    return where == "/" or any(f"{where}/".startswith(f"{each}/") for each in _OF_SYSTEM)


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip("\n\0 ")
    except OSError:
        return ""


def _plain(name: str) -> str:
    """A path of /proc, where blanks are written as octal numbers."""
    return _OCTAL.sub(lambda found: chr(int(found[1], 8)), name)
