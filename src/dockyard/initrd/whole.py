"""A whole root as an initramfs: the kernel unpacks it into memory, and nothing else is looked for.

The same newc form as `cpio` writes, of an archive and streamed, with the owners and times that it
has. What an initramfs cannot hold is refused by path: extended attributes (labels, capabilities,
ACLs), and files of 4 GiB.
"""

from __future__ import annotations

import os
import stat
from collections import Counter
from pathlib import Path

from dockyard.archive import Archive, Entry, Kind
from dockyard.archive.entry import NANOSECONDS, path_text
from dockyard.errors import DockyardError, Problem
from dockyard.initrd.compression import compressed
from dockyard.initrd.cpio import BLOCK, Sink, head, padded, trailer

_PIECE = 1 << 20
_SHOWN = 10
_LARGEST = (1 << 32) - 1
_INIT = b"init"
_SYSTEMD = b"usr/lib/systemd/systemd"
_FORMATS = {
    Kind.DIRECTORY: stat.S_IFDIR,
    Kind.FILE: stat.S_IFREG,
    Kind.SYMLINK: stat.S_IFLNK,
    Kind.CHARACTER: stat.S_IFCHR,
    Kind.BLOCK: stat.S_IFBLK,
    Kind.FIFO: stat.S_IFIFO,
}


def write_whole(root: Archive, out: Path, epoch: int, level: int = 3) -> tuple[int, int]:
    """Write a root to a new file, compressed; returns its plain and its compressed size in bytes.

    epoch: seconds since 1970, the time of what is added: /init, which the kernel starts, and
    /dev/console. level: zstd's. Raises DockyardError.
    """
    refuse(root)
    with compressed(out, level) as stream:
        size = _write(root, stream, epoch)
    return size, out.stat().st_size


def refuse(root: Archive) -> None:
    """Raise DockyardError for what an initramfs cannot hold, or cannot start."""
    problems = []
    if root.find(_SYSTEMD) is None:
        problems.append(
            Problem(
                "initrd.no-systemd",
                "the image has no systemd to start",
                path_text(_SYSTEMD),
                fix="install systemd",
            )
        )
    if with_attributes := [each for each in root if each.xattrs and each.kind is not Kind.HARDLINK]:
        problems.append(
            _refused("extended attributes", with_attributes, "SELinux labels, capabilities, ACLs")
        )
    if large := [each for each in root if each.size > _LARGEST]:
        problems.append(_refused("files of 4 GiB or more", large, "its sizes have 32 bits"))
    if problems:
        raise DockyardError(*problems)


def _refused(what: str, entries: list[Entry], why: str) -> Problem:
    more = len(entries) - _SHOWN
    listed = [path_text(entry.path) for entry in entries[:_SHOWN]]
    return Problem(
        "initrd.not-held",
        f"an initramfs cannot hold {what}",
        listed[0],
        why=why,
        fix="use `initramfsType: bootstrap`, whose root has all attributes, or remove them in a "
        "script of the image",
        excerpt=(*listed, *([f"and {more} more"] if more > 0 else [])),
    )


def _write(root: Archive, out: Sink, epoch: int) -> int:
    inodes: dict[bytes, int] = {}
    links = Counter(_first(entry) for entry in root)
    left = Counter(links)
    size = 0
    for number, (name, mode, data, device) in enumerate(_ADDED, 1):
        if root.find(name) is None:
            fields = (number, mode, 0, 0, 1, epoch, len(data))
            size += _out(out, head(name, fields, device) + padded(data))
    for number, entry in enumerate(root, len(_ADDED) + 1):
        first = _first(entry)
        inode = inodes.setdefault(first, number)
        left[first] -= 1
        size += _put(root, entry, inode, links[first], left[first] == 0, out)
    size += _out(out, trailer())
    return size + _out(out, bytes(-size % BLOCK))


def _first(entry: Entry) -> bytes:
    return entry.target if entry.kind is Kind.HARDLINK else entry.path


# What the kernel looks for: name, mode, content, device. It opens the console before /dev is there.
_ADDED = (
    (_INIT, stat.S_IFLNK | 0o777, _SYSTEMD, (0, 0)),
    (b"dev", stat.S_IFDIR | 0o755, b"", (0, 0)),
    (b"dev/console", stat.S_IFCHR | 0o600, b"", (5, 1)),
)


def _put(root: Archive, entry: Entry, inode: int, links: int, is_last: bool, out: Sink) -> int:
    """Write one name. The data of a file follow the last of its names."""
    what = root.find(entry.target) if entry.kind is Kind.HARDLINK else entry
    assert what is not None
    size = entry.size if what.kind is Kind.FILE and is_last else len(what.target)
    count = 2 if what.kind is Kind.DIRECTORY else links
    seconds = min(max(0, entry.mtime_ns // NANOSECONDS), _LARGEST)
    fields = (inode, _FORMATS[what.kind] | entry.mode, entry.uid, entry.gid, count, seconds, size)
    written = _out(out, head(entry.path or b".", fields, what.rdev))
    if what.kind is not Kind.FILE or not size:
        return written + _out(out, padded(what.target))
    with root.open(entry.path) as data:
        copied = sum(_out(out, piece) for piece in iter(lambda: data.read(_PIECE), b""))
    if copied != size:
        raise OSError(f"{os.fsdecode(entry.path)} has changed while it was read")
    return written + copied + _out(out, bytes(-copied % 4))


def _out(out: Sink, data: bytes) -> int:
    out.write(data)
    return len(data)
