"""Reads newc archives by the format's description, independent of the writer."""

from __future__ import annotations

import stat
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Member:
    name: str
    inode: int
    mode: int
    owner: tuple[int, int]
    links: int
    mtime: int
    device: tuple[int, int]
    data: bytes


def members(archive: bytes) -> list[Member]:
    """Every member up to the trailer; the archive must end with it and zeros."""
    found: list[Member] = []
    at = 0
    while True:
        assert archive[at : at + 6] == b"070701"
        fields = [int(archive[at + 6 + 8 * n : at + 14 + 8 * n], 16) for n in range(13)]
        inode, mode, uid, gid, links, mtime, size, _, _, major, minor, name_size, check = fields
        assert check == 0
        at += 110
        name = archive[at : at + name_size]
        assert name.endswith(b"\0")
        at += name_size
        at += -at % 4
        data = archive[at : at + size]
        at += size
        at += -at % 4
        if name == b"TRAILER!!!\0":
            assert not archive[at:].strip(b"\0") and len(archive) % 512 == 0
            return found
        text = name[:-1].decode()
        found.append(Member(text, inode, mode, (uid, gid), links, mtime, (major, minor), data))


def unpack(archive: bytes, target: Path) -> None:
    """Unpack directories, files, links and hard links as the kernel does; devices are left out."""
    first: dict[int, Path] = {}
    for member in members(archive):
        path = target / member.name
        if stat.S_ISDIR(member.mode):
            path.mkdir(exist_ok=True)
        elif stat.S_ISLNK(member.mode):
            path.symlink_to(member.data.decode())
        elif stat.S_ISREG(member.mode):
            if member.links > 1 and member.inode in first:
                path.hardlink_to(first[member.inode])
            first.setdefault(member.inode, path)
            if member.data or not path.exists():
                path.write_bytes(member.data)
                path.chmod(stat.S_IMODE(member.mode) | 0o200)
