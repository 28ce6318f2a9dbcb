"""GRUB for a BIOS on a disk with a GUID partition table: code in the first sector starts an image
in the BIOS boot partition, which finds the menu by the id of its file system.

The two name each other by sectors, as grub-bios-setup(8) writes them into a device (GRUB's
include/grub/i386/pc/boot.h and util/setup.c); no device is asked for here.
"""

from __future__ import annotations

import struct
from pathlib import Path

from dockyard.disk import gpt
from dockyard.disk.grub import BOOT, BootPlace
from dockyard.disk.grub_images import BIOS_DISK, make_grub
from dockyard.host.sandbox import Tools

CODE = "usr/lib/grub/i386-pc/boot.img"
"""What the first sector has, in the tools tree."""

_SECTOR = gpt.SECTOR
_CODE_SIZE = 440  # of the first sector: then the disk's signature and partitions follow
# In the first sector: where the image is, and a jump that keeps the drive that a BIOS tells.
_IMAGE_AT, _DRIVE_CHECK = 0x5C, 0x66
_NO_OPERATIONS = b"\x90\x90"
# At the end of the image's own first sector: where the rest of it is.
_REST_AT = _SECTOR - 12
_REST = struct.Struct("<QHH")


def write_image(out: Path, place: BootPlace, menu: str, tools: Tools) -> None:
    """Write the image that reads a menu to a new file. menu: its path. Inside the namespace."""
    folder = f"{place.path}{menu.removeprefix(BOOT).rpartition('/')[0]}"
    make_grub(out, BIOS_DISK, f"--fs-uuid {place.filesystem}", tools, folder)


def placed(image: bytes, start: int) -> bytes:
    """An image as it is at a place of the disk. start: bytes from the beginning of the disk."""
    whole = bytearray(image.ljust(-(-len(image) // _SECTOR) * _SECTOR, b"\0"))
    _, _, segment = _REST.unpack_from(whole, _REST_AT)
    rest = len(whole) // _SECTOR - 1
    _REST.pack_into(whole, _REST_AT, start // _SECTOR + 1, rest, segment)
    return bytes(whole)


def first_code(code: bytes, start: int) -> bytes:
    """The code of the first sector for an image at a place of the disk: 440 bytes. start: bytes."""
    made = bytearray(code[:_CODE_SIZE])
    struct.pack_into("<Q", made, _IMAGE_AT, start // _SECTOR)
    # Some BIOSes tell a wrong drive, for which the code has a remedy that it is to skip no longer.
    made[_DRIVE_CHECK : _DRIVE_CHECK + 2] = _NO_OPERATIONS
    return bytes(made)
