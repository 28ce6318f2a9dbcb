"""Walks a tree on the host and makes an archive of it.

Read inside the namespace that wrote the tree: only there do owners and capabilities look as they do
in the image. What the walk leaves out: sockets, which have no meaning without the process that
made them, and the marks of overlayfs.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from dockyard.archive.archive import Archive, TreeSource, changed_meanwhile, linked, unreadable
from dockyard.archive.entry import (
    KIND_OF_FORMAT,
    XATTR_SELINUX,
    Entry,
    Kind,
    Xattrs,
    clamped,
)
from dockyard.errors import DockyardError
from dockyard.host import stopping
from dockyard.host.namespace import image_id

OVERLAY_MARKS = ("user.overlay.", "trusted.overlay.")
_BUFFER = 1 << 18
_EMPTY = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True, slots=True)
class Scanned:
    """A name that the walk came to: its path, its lstat result and its extended attributes."""

    path: bytes
    status: os.stat_result
    xattrs: Xattrs
    marks: tuple[tuple[str, bytes], ...] = ()


def scan(
    tree: Path,
    *,
    epoch: int | None = None,
    exclude: Collection[bytes] = (),
    exclude_xattrs: Collection[bytes] = (),
) -> Archive:
    """The archive of a tree, with the digest of every file.

    epoch: modification times after it become it, times before 1970 become 1970.
    exclude: paths that are left out with all that is below them.
    exclude_xattrs: extended attributes that are left out, such as labels that the host gave.
    Raises DockyardError for what cannot be read.
    """
    without = frozenset(exclude_xattrs)
    found = walk(tree, frozenset(exclude))
    return Archive(entries_of(tree, found, epoch, without), (TreeSource(tree),))


def scan_raw(
    tree: Path,
    known: Callable[[str, os.stat_result], str | None],
    *,
    exclude: Collection[bytes] = (),
) -> Archive:
    """The archive of a tree as the house keeps it, not as an image shows it: with the marks of
    overlayfs, with the caller apart from the root of images (`namespace.CALLER`), and no file read.

    known: the digest of a file by its path and status; None where it is to be found out by whoever
    reads it. The labels that a host gave are left out.
    """
    found = walk(tree, frozenset(exclude), raw=True)
    digests = [
        known(os.fsdecode(one.path), one.status) if stat.S_ISREG(one.status.st_mode) else None
        for one in found
    ]
    label = frozenset([XATTR_SELINUX])
    entries = entries_of(tree, found, None, label, digests=digests)
    return Archive(entries, (TreeSource(tree),))


def walk(tree: Path, exclude: Collection[bytes] = (), *, raw: bool = False) -> list[Scanned]:
    """Every name of a tree in canonical order, the root first. raw: attributes as they are, marks
    of overlayfs among them.
    """
    root = os.fsencode(tree)
    found: list[Scanned] = []
    path = b""
    try:
        _look(root, b"", os.lstat(root), found, raw)
        pending = [b""]
        while pending:
            stopping.check()
            path = pending.pop()
            if path:
                status = os.lstat(root + b"/" + path)
                if not stat.S_ISSOCK(status.st_mode):
                    _look(root, path, status, found, raw)
                if not stat.S_ISDIR(status.st_mode):
                    continue
            names = sorted(os.listdir(root + b"/" + path), reverse=True)  # noqa: PTH208 (bytes)
            below = path + b"/" if path else b""
            children = (below + name for name in names)
            pending.extend(child for child in children if child not in exclude)
    except OSError as error:
        raise DockyardError(unreadable(path, error)) from error
    return found


def _look(
    root: bytes, path: bytes, status: os.stat_result, found: list[Scanned], raw: bool
) -> None:
    full = root + b"/" + path if path else root
    names = os.listxattr(full, follow_symlinks=False)
    if not names:
        found.append(Scanned(path, status, ()))
        return
    xattrs: list[tuple[bytes, bytes]] = []
    marks: list[tuple[str, bytes]] = []
    for name in names:
        value = os.getxattr(full, name, follow_symlinks=False)
        if name.startswith(OVERLAY_MARKS) and not raw:
            marks.append((name.partition(".overlay.")[2], value))
            continue
        xattrs.append((os.fsencode(name), value))
    found.append(Scanned(path, status, tuple(sorted(xattrs)), tuple(marks)))


def entries_of(
    tree: Path,
    found: Sequence[Scanned],
    epoch: int | None,
    exclude_xattrs: Collection[bytes] = (),
    *,
    digests: Sequence[str | None] | None = None,
) -> list[Entry]:
    """Entries of what a walk found, hard links resolved and files digested. digests: when they are
    known; then owners stay as they are here.
    """
    owner = image_id if digests is None else int
    digests = _digests(tree, found) if digests is None else digests
    first_names: dict[tuple[int, int], Entry] = {}
    entries: list[Entry] = []
    for one, digest in zip(found, digests, strict=True):
        status = one.status
        kind = KIND_OF_FORMAT[stat.S_IFMT(status.st_mode)]
        target, rdev = b"", (0, 0)
        if status.st_nlink > 1 and kind is not Kind.DIRECTORY:
            first = first_names.get((status.st_dev, status.st_ino))
            if first is not None:
                entries.append(linked(one.path, first))
                continue
        if kind is Kind.SYMLINK:
            target = os.readlink(os.fsencode(tree) + b"/" + one.path)  # noqa: PTH115 (bytes)
        elif kind in (Kind.CHARACTER, Kind.BLOCK):
            rdev = (os.major(status.st_rdev), os.minor(status.st_rdev))
        xattrs = one.xattrs
        if exclude_xattrs:
            xattrs = tuple(pair for pair in xattrs if pair[0] not in exclude_xattrs)
        entry = Entry(
            one.path, kind, stat.S_IMODE(status.st_mode),
            owner(status.st_uid), owner(status.st_gid),
            clamped(status.st_mtime_ns, epoch), status.st_size if kind is Kind.FILE else 0,
            digest, target, rdev, xattrs,
        )  # fmt: skip
        if status.st_nlink > 1 and kind is not Kind.DIRECTORY:
            first_names[(status.st_dev, status.st_ino)] = entry
        entries.append(entry)
    return entries


def _digests(tree: Path, found: Sequence[Scanned]) -> list[str | None]:
    """The digest of each file's first name; None for everything else."""
    results: list[str | None] = []
    seen: set[tuple[int, int]] = set()
    root = os.fsencode(tree)
    buffer = bytearray(_BUFFER)
    for one in found:
        stopping.check()
        status = one.status
        inode = (status.st_dev, status.st_ino)
        if not stat.S_ISREG(status.st_mode) or (status.st_nlink > 1 and inode in seen):
            results.append(None)
            continue
        if status.st_nlink > 1:
            seen.add(inode)
        results.append(_digest(root, one, buffer))
    return results


def _digest(root: bytes, one: Scanned, buffer: bytearray) -> str:
    # One thread: hashing takes as long as reading, and a second one was measured to gain nothing.
    size, done = one.status.st_size, 0
    if not size:
        return _EMPTY
    digest, view = hashlib.sha256(), memoryview(buffer)
    try:
        number = os.open(root + b"/" + one.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            while (count := os.readv(number, [buffer])) > 0:
                digest.update(view[:count])
                done += count
                if count < len(buffer) and done == size:
                    break
        finally:
            os.close(number)
    except OSError as error:
        raise DockyardError(unreadable(one.path, error)) from error
    if done != size:
        raise DockyardError(changed_meanwhile(one.path, size, done))
    return digest.hexdigest()
