"""Tells what lies in a partition, by its magic numbers: file systems, and what is none.

Sources: the formats' own documents. Containers (LUKS, LVM, RAID) are looked for first: they may
have an old superblock of a file system in their data.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

from dockyard.filesystems.image import Image, Region, path_of

_BLOCK = 4096
_JOURNAL, _EXT4_ALONE = 0x4, 0x2C0  # has_journal; extents, 64bit, flex_bg


@dataclass(frozen=True, slots=True)
class Content:
    """What is in a partition. kind: the name that mount(8) takes, or of what is not mounted:
    `swap`, `LUKS`, `LVM`, `RAID`, `verity-hash`. uuid, label: as its tools print them; empty where
    it has none. module: the name for `filesystems.by_name`; empty where there is no reader.
    """

    kind: str
    uuid: str = ""
    label: str = ""
    module: str = ""


class _Bytes:
    """Bytes of an image; short where it ends."""

    def __init__(self, image: Image) -> None:
        self._file = open(path_of(image), "rb", buffering=0)  # noqa: SIM115 (closed by close)
        whole = os.fstat(self._file.fileno()).st_size
        self._start, self.size = 0, whole
        if isinstance(image, Region):
            self._start, self.size = image.start, min(image.size, whole - image.start)

    def at(self, start: int, length: int) -> bytes:
        length = max(0, min(length, self.size - start))
        return os.pread(self._file.fileno(), length, self._start + start) if start >= 0 else b""

    def close(self) -> None:
        self._file.close()


def probe(image: Image) -> Content | None:
    """What an image holds; None where nothing is known of it. Raises OSError."""
    with closing(_Bytes(image)) as data:
        for look in _LOOKS:
            found = look(data)
            if found is not None:
                return found
    return None


def _luks(data: _Bytes) -> Content | None:
    if data.at(0, 6) != b"LUKS\xba\xbe":
        return None
    return Content("LUKS", _text(data.at(168, 40)), _text(data.at(24, 48)) if _v2(data) else "")


def _v2(data: _Bytes) -> bool:
    return data.at(6, 2) == b"\0\2"


def _lvm(data: _Bytes) -> Content | None:
    for sector in range(4):
        label = data.at(sector * 512, 64)
        if label[:8] == b"LABELONE" and label[24:32] == b"LVM2 001":
            return Content("LVM", _text(label[32:64]))
    return None


def _raid(data: _Bytes) -> Content | None:
    magic = (0xA92B4EFC).to_bytes(4, "little")
    end = data.size & ~(64 * 1024 - 1)
    for at in (0, 4096, (data.size - 8192) & ~4095):
        block = data.at(at, 64)
        if block[:4] == magic and block[4:8] == b"\1\0\0\0":
            return Content("RAID", _uuid(block[16:32]), _text(block[32:64]))
    return Content("RAID") if data.at(end - 64 * 1024, 4) == magic else None


def _verity(data: _Bytes) -> Content | None:
    block = data.at(0, 32)
    return Content("verity-hash", _uuid(block[16:32])) if block[:8] == b"verity\0\0" else None


def _xfs(data: _Bytes) -> Content | None:
    block = data.at(0, 128)
    if block[:4] != b"XFSB":
        return None
    return Content("xfs", _uuid(block[32:48]), _text(block[108:120]), "xfs")


def _btrfs(data: _Bytes) -> Content | None:
    block = data.at(0x10000, 0x300)
    if block[0x40:0x48] != b"_BHRfS_M":
        return None
    return Content("btrfs", _uuid(block[0x20:0x30]), _text(block[0x12B:0x22B]), "btrfs")


def _erofs(data: _Bytes) -> Content | None:
    block = data.at(1024, 128)
    if block[:4] != b"\xe2\xe1\xf5\xe0":
        return None
    return Content("erofs", _uuid(block[48:64]), _text(block[64:80]), "erofs")


def _squashfs(data: _Bytes) -> Content | None:
    return Content("squashfs", module="squashfs") if data.at(0, 4) == b"hsqs" else None


def _iso9660(data: _Bytes) -> Content | None:
    if data.at(0x8001, 5) != b"CD001":
        return None
    return Content("iso9660", "", _text(data.at(0x8028, 32)).rstrip(), "iso9660")


def _ext(data: _Bytes) -> Content | None:
    block = data.at(1024, 1024)
    if block[0x38:0x3A] != b"\x53\xef":
        return None
    compatible = int.from_bytes(block[0x5C:0x60], "little")
    incompatible = int.from_bytes(block[0x60:0x64], "little")
    older = "ext3" if compatible & _JOURNAL else "ext2"
    kind = "ext4" if incompatible & _EXT4_ALONE else older
    return Content(kind, _uuid(block[0x68:0x78]), _text(block[0x78:0x88]), "ext4")


def _fat(data: _Bytes) -> Content | None:
    block = data.at(0, 512)
    if block[510:512] != b"\x55\xaa":
        return None
    for kind_at, id_at, label_at in ((82, 67, 71), (54, 39, 43)):
        if block[kind_at : kind_at + 3] == b"FAT":
            number = block[id_at : id_at + 4][::-1].hex().upper()
            label = _text(block[label_at : label_at + 11]).rstrip()
            shown = "" if label == "NO NAME" else label
            return Content("vfat", f"{number[:4]}-{number[4:]}", shown, "vfat")
    return None


def _swap(data: _Bytes) -> Content | None:
    for page in (4096, 16384, 65536):
        if data.at(page - 10, 10) == b"SWAPSPACE2":
            return Content("swap", _uuid(data.at(0x40C, 16)), _text(data.at(0x41C, 16)))
    return None


def _others(data: _Bytes) -> Content | None:
    """What mount(8) knows, and Dockyard does not read."""
    for at, magic, kind in (
        (3, b"NTFS    ", "ntfs"),
        (3, b"EXFAT   ", "exfat"),
        (1024, b"\x10\x20\xf5\xf2", "f2fs"),
        (0x1018, bytes.fromhex("c68573f64e1a45ca8265f57f48ba6d81"), "bcachefs"),
        (0x1018, bytes.fromhex("c68573f666ce90a9d96a60cf803df7ef"), "bcachefs"),
    ):
        if data.at(at, len(magic)) == magic:
            return Content(kind)
    return None


_LOOKS: tuple[Callable[[_Bytes], Content | None], ...] = (
    _luks, _lvm, _raid, _verity, _xfs, _btrfs, _erofs, _squashfs, _ext, _swap, _iso9660, _others,
    _fat,
)  # fmt: skip


def _uuid(raw: bytes) -> str:
    return str(uuid.UUID(bytes=raw)) if len(raw) == 16 and any(raw) else ""


def _text(raw: bytes) -> str:
    return raw.partition(b"\0")[0].decode(errors="replace")
