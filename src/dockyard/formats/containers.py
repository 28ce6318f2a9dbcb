"""Opens what disk images come in: the raw disk in a qcow2, VHD, VHDX, VMDK or COSI file, and files
that are raw already.

A format is told by its magic numbers, never by a name. qemu-img makes a sparse raw disk of what is
none: its readers of these formats are the ones that everybody trusts, and reading that disk is
quicker than asking qemu-nbd for each piece. It runs in the sandbox and sees the one image: what an
image says of other files (backing files, external data, extents) is refused before.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from dockyard.errors import DockyardError, Problem
from dockyard.formats.cosi_metadata import is_cosi

if TYPE_CHECKING:
    from dockyard.host.sandbox import Tools

_SECTOR = 512
_VHD_FIXED = 2
_ISO_MAGIC_AT = 0x8001
_EXTERNAL_DATA = 1 << 2  # an incompatible feature of qcow2
_ENCRYPTED_AT = 32  # in the header of a qcow2
_QCOW2_HEADER = 104  # bytes, the least
_HEAD = 1 << 14  # bytes, with the description in a VMDK
_VMDK_HEADER = 79
_TAR_AT = 257
_LEAKED = 3  # as qemu-img check ends where room is lost and nothing else is wrong


class Container(StrEnum):
    """What a disk image comes in. The values are the names that formats have elsewhere."""

    RAW = "raw"
    QCOW2 = "qcow2"
    VHD = "vhd"
    VHD_FIXED = "vhd-fixed"
    VHDX = "vhdx"
    VMDK = "vmdk"
    COSI = "cosi"
    BAREMETAL_IMAGE = "baremetal-image"
    ISO = "iso"

    @property
    def is_raw(self) -> bool:
        """Whether the file begins with the raw disk, and need not be converted."""
        return self in (Container.RAW, Container.VHD_FIXED, Container.ISO)

    @property
    def by_programs(self) -> bool:
        """Whether programs of the tools make the raw disk of it."""
        return self in _QEMU


_CHECKED = (Container.QCOW2, Container.VHDX, Container.VMDK)
_QEMU = {
    Container.QCOW2: "qcow2",
    Container.VHD: "vpc",
    Container.VHDX: "vhdx",
    Container.VMDK: "vmdk",
}

# magic number, place, what it is, what to do instead.
_NOT_DISKS = (
    (b"\x1f\x8b", 0, "a file compressed by gzip", "gzip -dk"),
    (b"\x28\xb5\x2f\xfd", 0, "a file compressed by zstd", "zstd -dk"),
    (b"\xfd7zXZ\0", 0, "a file compressed by xz", "xz -dk"),
    (b"BZh", 0, "a file compressed by bzip2", "bzip2 -dk"),
    (b"PK\x03\x04", 0, "a ZIP archive", "unzip"),
)


@dataclass(frozen=True, slots=True)
class RawDisk:
    """A raw disk: the first `size` bytes of a file. container: what it came in."""

    path: Path
    size: int
    container: Container


def container_of(image: Path) -> Container:
    """What an image comes in. Raises DockyardError for what is no disk, or is one only together
    with other files.
    """
    with _opened(image) as file:
        head = file.read(_HEAD)
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _SECTOR))
        tail = file.read(_SECTOR)
        file.seek(_ISO_MAGIC_AT)
        is_iso = file.read(5) == b"CD001"
    if head[:4] == b"QFI\xfb":
        _require_whole_qcow2(image, head)
        return Container.QCOW2
    if head[:8] == b"vhdxfile":
        return Container.VHDX
    if head[:4] == b"KDMV":
        _require_whole_vmdk(image, head)
        return Container.VMDK
    if head.startswith(b"# Disk DescriptorFile"):
        raise _of_other_files(image)
    if tail[:8] == b"conectix" and len(tail) == _SECTOR:
        kind = struct.unpack_from(">I", tail, 60)[0]
        if kind == _VHD_FIXED and is_cosi(head):
            return Container.BAREMETAL_IMAGE
        if kind not in (_VHD_FIXED, 3):
            raise _refused(image, "it is a differencing VHD, which needs its parent",
                           "merge it with its parent first")  # fmt: skip
        return Container.VHD_FIXED if kind == _VHD_FIXED else Container.VHD
    if is_cosi(head):
        return Container.COSI
    for magic, at, what, how in _NOT_DISKS:
        if head[at : at + len(magic)] == magic:
            raise _refused(image, f"it is {what}", f"unpack it first, with {how}")
    if head[_TAR_AT : _TAR_AT + 5] == b"ustar":
        raise _refused(image, "it is a tar file, which has files and no disk",
                       "give the disk of that image, or list the files with tar")  # fmt: skip
    if is_iso:  # also where it has a partition table, for sticks
        return Container.ISO
    if size < _SECTOR:
        raise _refused(image, f"it has {size} bytes", "check the path, and that it is complete")
    return Container.RAW


def raw_disk(image: Path, scratch: Path, tools: Tools) -> RawDisk:
    """The raw disk of an image: the file itself where that is one, else made in a directory.

    Raises DockyardError, also for one that was cut short.
    """
    container = container_of(image)
    if container.is_raw:
        raw = RawDisk(image, raw_size(image, container), container)
    elif container in _QEMU:
        raw = _by_qemu(image, scratch / "disk", container, tools)
    else:
        # A plain image need not load what reads it.
        from dockyard.formats.cosi_reader import read_disk

        raw = RawDisk(scratch / "disk", read_disk(image, scratch / "disk"), container)
    if container is not Container.ISO:
        _require_all(image, raw)
    return raw


def _by_qemu(image: Path, out: Path, container: Container, tools: Tools) -> RawDisk:
    """What qemu-img makes of an image. Of a qcow2 that was cut short it makes zeros, and says
    nothing, unless it is asked to check it.
    """
    from dockyard.host.process import ProcessFailed

    out.touch()
    source, driver = image.resolve(), _QEMU[container]
    try:
        if container in _CHECKED:
            argv = ["qemu-img", "check", "-q", "-f", driver, str(source)]
            done = tools.run(argv, read=[source], reads=source, check=False)
            if done.status not in (0, _LEAKED):
                raise ProcessFailed(done, argv)
        argv = ["qemu-img", "convert", "-f", driver, "-O", "raw", str(source), str(out)]
        tools.run(argv, read=[source], write=[out], reads=source)
    except ProcessFailed as error:
        said = error.completed.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        why = f"qemu-img cannot read this {container}: {said or 'it finds it damaged'}"
        fix = "fetch or make the image again"
        raise _refused(image, why, fix) from error
    return RawDisk(out, out.stat().st_size, container)


def _require_all(image: Path, raw: RawDisk) -> None:
    """Raise DockyardError where a partition ends behind the end of the disk."""
    from dockyard.disk import gpt

    with raw.path.open("rb") as disk:
        try:
            table = gpt.read(disk, raw.size)
        except DockyardError:
            return  # whoever needs one says so
    for entry in table.entries:
        missing = entry.start + entry.size - raw.size
        if missing > 0:
            why = f"it ends {missing} bytes before the end of partition {entry.number}"
            raise _refused(image, why, "it was cut short: fetch or make the image again")


def raw_size(image: Path, container: Container) -> int:
    """Bytes of the raw disk that a file begins with, which need not be converted."""
    return image.stat().st_size - (_SECTOR if container is Container.VHD_FIXED else 0)


def _opened(image: Path) -> BinaryIO:
    try:
        return image.open("rb")
    except OSError as error:
        raise DockyardError(
            Problem(
                "image.unreadable",
                "the image cannot be read",
                str(image),
                error.strerror or str(error),
                "check the path",
            )
        ) from error


def _require_whole_qcow2(image: Path, head: bytes) -> None:
    if len(head) < _QCOW2_HEADER:
        raise _refused(image, "it is a qcow2 that ends within its header",
                       "fetch or make the image again")  # fmt: skip
    version, backing = struct.unpack_from(">IQ", head, 4)
    (encryption,) = struct.unpack_from(">I", head, _ENCRYPTED_AT)
    features = struct.unpack_from(">Q", head, 72)[0] if version >= 3 else 0
    if backing:
        raise _refused(image, "it is a qcow2 that only has what differs from a backing file",
                       "join the two: qemu-img convert -O qcow2")  # fmt: skip
    if features & _EXTERNAL_DATA:
        raise _refused(image, "it is a qcow2 whose data are in another file",
                       "make it one file: qemu-img convert -O qcow2")  # fmt: skip
    if encryption:
        raise _refused(image, "it is an encrypted qcow2",
                       "decrypt it first: qemu-img convert")  # fmt: skip


def _require_whole_vmdk(image: Path, head: bytes) -> None:
    if len(head) < _VMDK_HEADER:
        raise _refused(image, "it is a VMDK that ends within its header",
                       "fetch or make the image again")  # fmt: skip
    (capacity,) = struct.unpack_from("<Q", head, 12)
    if not capacity:
        raise _of_other_files(image)
    if b"parentFileNameHint" in head:
        raise _refused(image, "it is a VMDK that only has what differs from its parent",
                       "join the two: qemu-img convert -O qcow2")  # fmt: skip


def _of_other_files(image: Path) -> DockyardError:
    return _refused(
        image,
        "it is the description of a VMDK whose data are in other files",
        "make it one file: qemu-img convert -O qcow2",
    )


def _refused(image: Path, why: str, fix: str) -> DockyardError:
    return DockyardError(
        Problem("image.not-a-disk", "the image cannot be used as a disk", str(image), why, fix)
    )
