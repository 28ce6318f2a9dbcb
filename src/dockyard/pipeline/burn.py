"""Writes the disk of an image to a block device, and proves by reading it back that it is there.

target = judged_target(device)             # refused is what is in use, or cannot be meant
with opened(target) as descriptor: burn(disk, target, descriptor, listener)

It is no step: nothing is made of it, and nothing of it is kept. A regular file that is given as the
device is treated as one: it keeps its size.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeVar

from dockyard.disk import gpt
from dockyard.engine.events import Listener, StepProgress
from dockyard.errors import DockyardError, Problem, Problems
from dockyard.formats.containers import RawDisk
from dockyard.host import block_device, device_copy
from dockyard.host.block_device import BlockDevice, Devices
from dockyard.inspection.disks import FoundDisk
from dockyard.pipeline.telling import told

_SECTOR = 512
_SIGNATURE = b"EFI PART"
_MIB = 1 << 20

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Target:
    """What is written to. device: None for a regular file. size: bytes."""

    path: Path
    device: BlockDevice | None
    size: int
    number: int = 0


@dataclass(frozen=True, slots=True)
class Burnt:
    """What was written. size: bytes of the disk; data: how many of them are no zeros. moved:
    whether the second partition table went to the end of the device. cleared: whether one that was
    there of an earlier disk was removed. partitions_read: whether the kernel knows the new ones.
    """

    size: int
    data: int
    moved: bool
    cleared: bool
    partitions_read: bool


def judged_target(path: Path, *, partition: bool = False, devices: Devices | None = None) -> Target:
    """Look at what is to be written to. partition: whether it may be one. Raises DockyardError with
    all that speaks against it.
    """
    devices = devices or Devices()
    problems = Problems()
    try:
        path = path.resolve(strict=True)
        found = path.stat()
    except OSError as error:
        raise DockyardError(_unusable(path, error)) from error
    if stat.S_ISREG(found.st_mode):
        target = Target(path, None, found.st_size)
        uses = list(devices.users_of_file(path))
    elif stat.S_ISBLK(found.st_mode):
        try:
            device = devices.find(found.st_rdev)
        except (OSError, ValueError) as error:
            raise DockyardError(_unusable(path, OSError(errno.ENXIO, "no such device"))) from error
        target = Target(path, device, device.size, found.st_rdev)
        problems.extend(_device_problems(path, device, partition))
        uses = list(devices.uses(device))
    else:
        raise DockyardError(_no_device(path))
    if uses:
        problems.extend([_in_use(path, uses)])
    problems.raise_any()
    return target


def require_fit(raw: RawDisk, image: Path, target: Target, move_table: bool) -> None:
    """Raise DockyardError where a disk cannot be written to a target."""
    if target.path.samefile(raw.path) or target.path.samefile(image):
        raise DockyardError(Problem("burn.same-file", "the image is the device itself", str(image)))
    if raw.size > target.size:
        what = f"{target.path} is too small: it has {target.size} bytes, the disk {raw.size}"
        why = "" if target.size else "there is no medium in it, or the file is empty"
        fix = f"take a device of {-(-raw.size // _MIB)} MiB or more"
        raise DockyardError(Problem("burn.too-small", what, str(image), why, fix))
    if move_table and not _has_table(raw):
        what = "the image has no partition table whose second copy could be moved"
        raise DockyardError(Problem("burn.no-table", what, str(image), fix="leave the option away"))


@contextmanager
def opened(target: Target) -> Iterator[int]:
    """A descriptor of a target that nobody else uses, for the length of a block. Raises
    DockyardError.
    """
    try:
        descriptor = block_device.open_exclusively(target.path)
    except OSError as error:
        if error.errno == errno.EBUSY:
            why = "the kernel says so; it may be mounted in another namespace, as of a container"
            raise DockyardError(_in_use(target.path, [why])) from error
        raise DockyardError(_unusable(target.path, error)) from error
    try:
        found = os.fstat(descriptor)
        if found.st_rdev != target.number or (found.st_size != target.size and not target.device):
            raise DockyardError(_unusable(target.path, OSError(errno.ESTALE, "it has changed")))
        yield descriptor
    finally:
        os.close(descriptor)


def burn(
    disk: FoundDisk, target: Target, descriptor: int, listener: Listener, *, move_table: bool
) -> Burnt:
    """Write a disk, read it back, and see to the second partition table. Raises DockyardError."""
    raw = disk.raw
    name, size = target.path.name, raw.size
    with raw.path.open("rb", buffering=0) as file:
        source = file.fileno()
        try:
            data = _step(
                listener,
                f"Write the disk to {name}",
                size,
                lambda told: device_copy.copy_disk(source, descriptor, size, told),
            )
            at = _step(
                listener,
                f"Read {name} back",
                size,
                lambda told: device_copy.first_difference(source, descriptor, size, told),
            )
            if at is not None:
                raise DockyardError(_differs(target, at))
            cleared = _clear_end(descriptor, size, target.size)
            if move_table:
                _move_table(file, descriptor, size, target)
            os.fsync(descriptor)
        except OSError as error:
            raise DockyardError(_lost(target, error)) from error
    again = target.device is not None and block_device.read_partitions_again(descriptor)
    return Burnt(size, data, move_table, cleared, again)


def _step(listener: Listener, title: str, size: int, work: Callable[[device_copy.Told], T]) -> T:
    """Do work that is shown by how much of the disk it has done."""

    def hear(done: int) -> None:
        listener(StepProgress(title, "", done, size, "bytes"))

    return told(listener, title, title, "", lambda: work(hear))


def has_short_table(raw: RawDisk, target: Target) -> bool:
    """Whether the second partition table of a disk is not at the end of a larger device."""
    return _has_table(raw) and raw.size < target.size


def _has_table(raw: RawDisk) -> bool:
    with raw.path.open("rb") as file:
        try:
            gpt.read_first(file, raw.size)
        except DockyardError:
            return False
    return True


def _clear_end(descriptor: int, size: int, whole: int) -> bool:
    """Remove the second partition table of a disk that was on the device before."""
    last = whole - _SECTOR
    if last < size or os.pread(descriptor, len(_SIGNATURE), last) != _SIGNATURE:
        return False
    device_copy.zero(descriptor, max(size, whole - (gpt.TAIL_SECTORS * _SECTOR)), whole)
    return True


def _move_table(file: BinaryIO, descriptor: int, size: int, target: Target) -> None:
    """Put the second copy of the table at the end of the device, and then let the first know."""
    table, end = gpt.read_first(file, size)
    whole = target.size // _SECTOR * _SECTOR
    first = os.pread(descriptor, end, 0)
    at, old = gpt.second_copy(first, size)
    new = gpt.moved(first, whole)
    place, second = gpt.second_copy(new, whole)
    os.pwrite(descriptor, second, place)
    os.fsync(descriptor)
    os.pwrite(descriptor, new, 0)
    os.fsync(descriptor)
    if at + len(old) <= place:
        device_copy.zero(descriptor, at, at + len(old))
    with open(descriptor, "rb", closefd=False) as again:
        if gpt.read(again, whole).entries != table.entries:
            raise DockyardError(_differs(target, 0))


def _device_problems(path: Path, device: BlockDevice, partition: bool) -> Iterator[Problem]:
    where = str(path)
    if device.disk and not partition:
        yield Problem(
            "burn.partition",
            f"{path.name} is a partition of {device.disk}, not a disk",
            where,
            fix=f"name the disk, /dev/{device.disk}; or, where a partition is meant, --partition",
        )
    if device.read_only:
        fix = "take the write protection off the medium, or run: blockdev --setrw"
        yield Problem("burn.read-only", f"{path.name} cannot be written to", where, fix=fix)
    if device.sector != _SECTOR:
        yield Problem(
            "burn.sector-size",
            f"{path.name} has sectors of {device.sector} bytes",
            where,
            why="the partition tables of images count sectors of 512 bytes",
            fix="choose a device that has, or presents, sectors of 512 bytes",
        )


def _in_use(path: Path, uses: list[str]) -> Problem:
    fix = "unmount it and stop what uses it, or choose another device"
    return Problem("burn.in-use", f"{path.name} is in use", str(path), "\n".join(uses), fix)


def _no_device(path: Path) -> Problem:
    fix = "name a disk, such as /dev/sdb, or a file that is to hold one"
    what = f"{path.name} is neither a block device nor a regular file"
    return Problem("burn.no-device", what, str(path), fix=fix)


def _unusable(path: Path, error: OSError) -> Problem:
    fix = "list the disks of this machine with: lsblk"
    if error.errno in (errno.EACCES, errno.EPERM):
        fix = "run it as a user who may write to the device, such as root"
    why = error.strerror or str(error)
    return Problem("burn.unusable", "the device cannot be opened", str(path), why, fix)


def _lost(target: Target, error: OSError) -> Problem:
    why, fix = error.strerror or str(error), "try again, then with another device"
    what = "the disk could not be written; what is on the device is not whole"
    return Problem("burn.failed", what, str(target.path), why, fix)


def _differs(target: Target, at: int) -> Problem:
    return Problem(
        "burn.differs",
        f"what {target.path.name} gives back is not what was written, from byte {at} on",
        str(target.path),
        why="the medium is damaged, or smaller than it says",
        fix="use another one",
    )
