"""Writes cpio archives in the newc form that the kernel unpacks as an initramfs.

Format: Documentation/driver-api/early-userspace/buffer-format.rst of the kernel: a header of
ASCII hexadecimal numbers, the name, the data, both padded to four bytes. Every number is
derived from the entries alone: they are sorted by name, inodes count up from 1, the owner is 0:0
and all times are the epoch that is given.
"""

from __future__ import annotations

import hashlib
import stat
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

BLOCK = 512
_TRAILER = b"TRAILER!!!"


class Sink(Protocol):
    """What an archive is written to."""

    def write(self, data: bytes, /) -> object: ...


@dataclass(frozen=True, slots=True)
class Member:
    """One member: name without a leading slash, full mode with its type, and data (a symbolic
    link's target). device: (major, minor) of a device node.
    """

    name: bytes
    mode: int
    data: bytes = b""
    device: tuple[int, int] = (0, 0)


def write(entries: Iterable[Member], out: Sink, epoch: int) -> int:
    """Write an archive; returns its size in bytes.

    Regular files of equal content become hard links of one another, whatever they are on disk:
    a copy of a tree may have lost its links. Their data follows the last name, as cpio(1) has it.
    """
    members = sorted(entries, key=lambda entry: entry.name)
    groups: dict[tuple[int, bytes], list[bytes]] = defaultdict(list)
    keys: dict[bytes, tuple[int, bytes]] = {}
    for entry in members:
        if stat.S_ISREG(entry.mode) and entry.data:
            key = (entry.mode, hashlib.sha256(entry.data).digest())
            groups[key].append(entry.name)
            keys[entry.name] = key
    inodes: dict[tuple[int, bytes], int] = {}
    size = 0
    for number, entry in enumerate(members, 1):
        inode, links, data = number, 1, entry.data
        if entry.name in keys:
            names = groups[keys[entry.name]]
            inode = inodes.setdefault(keys[entry.name], number)
            links = len(names)
            data = entry.data if names[-1] == entry.name else b""
        elif stat.S_ISDIR(entry.mode):
            links = 2
        size += _put(out, entry, inode, links, data, epoch)
    out.write(trailer())
    size += len(trailer())
    padding = -size % BLOCK
    out.write(bytes(padding))
    return size + padding


def _put(out: Sink, entry: Member, inode: int, links: int, data: bytes, epoch: int) -> int:
    fields = (inode, entry.mode, 0, 0, links, epoch, len(data))
    record = head(entry.name, fields, entry.device) + padded(data)
    out.write(record)
    return len(record)


def head(name: bytes, fields: tuple[int, ...], device: tuple[int, int] = (0, 0)) -> bytes:
    """What comes before the data of a member. fields: inode, mode, uid, gid, number of links, time,
    size of the data.
    """
    numbers = (*fields, 0, 0, *device, len(name) + 1, 0)
    return padded(b"070701" + b"".join(b"%08X" % number for number in numbers) + name + b"\0")


def padded(data: bytes) -> bytes:
    """Data with what fills them up to four bytes."""
    return data + bytes(-len(data) % 4)


def trailer() -> bytes:
    """The member that ends an archive."""
    return head(_TRAILER, (0, 0, 0, 0, 1, 0, 0))
