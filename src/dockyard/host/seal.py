"""Seals a directory with what it holds, so that damage is found before anything is made of it.

    .seal   first line: SHA-256 of the rest, in hex; second line: the digest of the content, and how
            many bytes of disk it took; then one JSON object, path -> row

A row has what `_Row` names. A file whose number, size, times and mode are those of its row has not
been written to since: the kernel sets ctime at every change and lets nobody choose it. So a look
costs one lstat(2) a name, and only what was touched is read. What the medium itself forgets shows
only when everything is read (`thorough`).

The kernel sets ctime, too, when a file gets or loses a name. A look forgives that of a file that
has several; `Digests`, by which files go into images, does not. Who gives further names to the
files of a sealed directory asks first which were touched since (`sealed_at`), reads those, and says
so afterwards (`renew`).

Made and read inside the namespace, where owners look as they do in an image; outside it only
`untouched` is of use.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from dockyard.host import files, stopping
from dockyard.host.namespace import image_id

NAME = ".seal"
LABEL = "security.selinux"
"""The attribute that a host with SELinux gives every file of its own accord: no content."""

_SHOWN = 3
_PLAIN = "sha256:"
_BLOCK = 1 << 17
_ZEROS = bytes(_BLOCK)
# From this size on a file is digested by blocks, so that its holes are not read.
_LARGE = 1 << 26
_HEAD = 160  # two digests in hex and a number; more than both lines have


class _Buffer(threading.local):
    """A block for each thread: allocating one for each file takes longer than reading it."""

    def __init__(self) -> None:
        self.block = bytearray(_BLOCK)


_buffer = _Buffer()


class _Row(NamedTuple):
    """One name. content: digest of a file, target of a link, number of a device, else empty.
    xattrs: SHA-256 over all extended attributes, or empty. inode and ctime_ns only tell whether it
    was touched; the rest is what it is.
    """

    mode: int
    uid: int
    gid: int
    size: int
    mtime_ns: int
    content: str
    xattrs: str
    inode: int
    ctime_ns: int


class _Head(NamedTuple):
    """What a seal says of the whole. size: see `size`; None where it was sealed before that was
    noted.
    """

    content: str
    size: int | None


class BrokenSeal(Exception):
    """A seal is not there, or is not what was written."""


def write(
    directory: Path, known: Mapping[str, str] | None = None, *, beside: Collection[str] = ()
) -> str:
    """Seal a directory that nobody changes any more, with all that is below it. Gives the digest of
    its content, which is the same wherever and whenever the same is made.

    known: for files below it the SHA-256, in hex, of those that were digested just now. beside:
    names directly in it that are sealed and no part of its content.
    """
    digests = known or {}
    rows: dict[str, _Row] = {}
    statuses: list[os.stat_result] = []
    for path, full, found in _below(directory):
        rows[path] = _row(full, found, f"{_PLAIN}{digests[path]}" if path in digests else "")
        statuses.append(found)
    content = _content_of(row for row in rows.items() if row[0] not in beside)
    _keep(directory, rows, _Head(content, _own_bytes(statuses)))
    return content


def content(directory: Path) -> str | None:
    """The digest of what a sealed directory held when it was sealed; None without a seal."""
    head = _head(directory)
    return head.content if head else None


def size(directory: Path) -> int | None:
    """How many bytes of disk a directory took when it was sealed, without files that have names
    outside of it, too; None where that is not known.
    """
    head = _head(directory)
    return head.size if head else None


def measured(directory: Path) -> int:
    """How many bytes of disk a directory takes now, counted as `size` does."""
    return _own_bytes(status for _, _, status in _below(directory))


def _own_bytes(statuses: Iterable[os.stat_result]) -> int:
    total = 0
    linked: dict[tuple[int, int], int] = {}  # names that have not come yet
    for status in statuses:
        left = 0
        if status.st_nlink > 1 and not stat.S_ISDIR(status.st_mode):
            inode = (status.st_dev, status.st_ino)
            left = linked[inode] = linked.get(inode, status.st_nlink) - 1
        if not left:
            total += status.st_blocks * 512
    return total


def _head(directory: Path) -> _Head | None:
    try:
        with (directory / NAME).open("rb") as file:
            digest, *rest = file.read(_HEAD).split(b"\n")[1].decode().split(" ")
            return _Head(digest, int(rest[0]) if rest else None)
    except (OSError, LookupError, ValueError):  # a seal that is broken
        return None


def _content_of(rows: Iterable[tuple[str, _Row]]) -> str:
    """The digest of all that the rows say, and of which names are one file; but for what only tells
    whether it was touched, and for who of all users made it.
    """
    rows = sorted(rows)
    said: list[object] = [
        (
            path,
            row.mode,
            image_id(row.uid),
            image_id(row.gid),
            *row[3 : _Row._fields.index("inode")],
        )
        for path, row in rows
    ]
    said += [list(names) for names in sorted(_groups(rows))]
    return hashlib.sha256(json.dumps(said, separators=(",", ":")).encode()).hexdigest()


def _groups(rows: Iterable[tuple[str, _Row]]) -> set[tuple[str, ...]]:
    """The names of each file that has several here, in order. Devices are left out: overlayfs gives
    its marks of removed names one inode or several, as it comes.
    """
    found: dict[int, list[str]] = {}
    for path, row in rows:
        if stat.S_ISREG(row.mode) or stat.S_ISLNK(row.mode) or stat.S_ISFIFO(row.mode):
            found.setdefault(row.inode, []).append(path)
    return {tuple(sorted(names)) for names in found.values() if len(names) > 1}


def holds(directory: Path, path: str) -> bool:
    """Whether a file of a sealed directory has the content that was sealed; it is read whole."""
    try:
        expected = _read(directory)[path].content
        return _digest(str(directory / path), expected) == expected
    except (BrokenSeal, KeyError, OSError):
        return False


class Digests:
    """The SHA-256 of the files of a sealed directory that nobody touched since, without reading
    them. Empty for a directory without a sound seal.
    """

    def __init__(self, directory: Path) -> None:
        try:
            self._rows = _read(directory)
        except BrokenSeal:
            self._rows = {}

    def of(self, path: str, status: os.stat_result) -> str | None:
        """The digest in hex of a file as its status shows it now; None where it was touched, or
        sealed by a digest of another kind.
        """
        row = self._rows.get(path)
        if row is None or not row.content.startswith(_PLAIN) or not _same_status(row, status):
            return None
        return row.content.removeprefix(_PLAIN)


def sealed_at(directory: Path) -> int:
    """When a directory was sealed, or its seal renewed, by the clock of change times (nanoseconds):
    what changed later was touched since. Zero without a seal.
    """
    try:
        return (directory / NAME).lstat().st_ctime_ns
    except OSError:
        return 0


def renew(directory: Path) -> None:
    """Say that what was touched since a directory was sealed is as it was: the caller has looked,
    and given further names to files. Does nothing without a seal.
    """
    with suppress(FileNotFoundError):
        os.utime(directory / NAME)


def untouched(directory: Path) -> bool:
    """Whether nothing below a sealed directory was touched since, as far as lstat(2) shows."""
    try:
        rows = _read(directory)
        found = {path: status for path, _, status in _below(directory)}
    except (BrokenSeal, OSError):
        return False
    return rows.keys() == found.keys() and all(
        _same_status(rows[path], status, several_names=True) for path, status in found.items()
    )


def damage(directory: Path, *, thorough: bool = False) -> str:
    """What is wrong with a sealed directory, in words; empty when nothing is.

    thorough: read every file, whether or not it was touched. A directory that was touched but is
    as it was, such as a copy, is sealed again.
    """
    try:
        rows = _read(directory)
    except BrokenSeal as error:
        return str(error)
    found: dict[str, _Row] = {}
    wrong: list[str] = []
    try:
        for path, full, status in _below(directory):
            row = rows.get(path)
            if row is None:
                wrong.append(f"{path} was not there before")
                continue
            if not thorough and _same_status(row, status, several_names=True):
                found[path] = row
                continue
            now = found[path] = _row(full, status, like=row.content)
            if now[: _Row._fields.index("inode")] != row[: _Row._fields.index("inode")]:
                wrong.append(f"{path} {_difference(row, now)}")
    except PermissionError as error:  # the namespace may read all that a result has
        return f"{os.path.relpath(error.filename, directory)} cannot be read: {error.strerror}"
    wrong += [f"{path} is gone" for path in rows.keys() - found.keys()]
    if not wrong:
        parted = _groups(rows.items()) ^ _groups(found.items())
        wrong = [f"{names[0]} has other names beside it" for names in parted]
    if wrong:
        wrong.sort()
        more = f", and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        return "; ".join(wrong[:_SHOWN]) + more
    if found != rows:
        _keep(directory, found, _head(directory) or _Head("", None))
    return ""


def distrust(directory: Path) -> None:
    """Let the next look at a sealed directory read everything."""
    try:
        rows = _read(directory)
    except BrokenSeal:
        return
    # No file has such a number; names of one file still have the same.
    touched = {path: row._replace(inode=-abs(row.inode)) for path, row in rows.items()}
    _keep(directory, touched, _head(directory) or _Head("", None))


def _same_status(row: _Row, status: os.stat_result, *, several_names: bool = False) -> bool:
    """Whether a status is that of a row. several_names: whatever the change time of a file that has
    several.
    """
    if (row.inode, row.mtime_ns, row.size, row.mode) != (
        status.st_ino,
        status.st_mtime_ns,
        _size(status),
        status.st_mode,
    ):
        return False
    forgiven = several_names and status.st_nlink > 1 and not stat.S_ISDIR(status.st_mode)
    return forgiven or row.ctime_ns == status.st_ctime_ns


def _difference(row: _Row, now: _Row) -> str:
    if (row.size, row.content) != (now.size, now.content):
        return "has other content"
    return "has other attributes"


def _below(directory: Path) -> Iterator[tuple[str, str, os.stat_result]]:
    """Each name below a directory, but for the seal: its path there, its full path, its status."""
    root = str(directory)
    pending = [""]
    while pending:
        stopping.check()
        above = pending.pop()
        with os.scandir(f"{root}/{above}" if above else root) as entries:
            for entry in entries:
                path = f"{above}/{entry.name}" if above else entry.name
                if path == NAME:
                    continue
                yield path, entry.path, entry.stat(follow_symlinks=False)
                if entry.is_dir(follow_symlinks=False):
                    pending.append(path)


def _row(full: str, status: os.stat_result, content: str = "", like: str = "") -> _Row:
    """The row of a name. content: when it is known. like: a digest of the kind that is wanted."""
    return _Row(
        status.st_mode,
        status.st_uid,
        status.st_gid,
        _size(status),
        status.st_mtime_ns,
        _content(full, status, like) if status.st_size >= _LARGE or not content else content,
        _attributes(full),
        status.st_ino,
        status.st_ctime_ns,
    )


def _size(status: os.stat_result) -> int:
    # A directory's size says how its file system keeps it.
    return 0 if stat.S_ISDIR(status.st_mode) else status.st_size


def _content(full: str, status: os.stat_result, like: str) -> str:
    if stat.S_ISREG(status.st_mode):
        return _digest(full, like or ("" if status.st_size >= _LARGE else _PLAIN))
    if stat.S_ISLNK(status.st_mode):
        return os.readlink(full)  # noqa: PTH115 (text)
    if stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode):
        return f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}"
    return ""


def content_digest(file: Path) -> str:
    """A digest of a file that is mostly holes, as quickly as it was written: SHA-256 over its
    blocks that are not all zeros, each with its number. Where its holes are does not matter.
    """
    return _digest(str(file), "")


def _digest(full: str, like: str) -> str:
    """The digest of a file: its SHA-256 where `like` is one, else SHA-256 over the blocks
    that are not all zeros, each with its number. An image is mostly holes, and digests as quickly
    as it was written.
    """
    if like.startswith(_PLAIN):
        return f"{_PLAIN}{files.digest(full)}"
    digest, done = hashlib.sha256(), 0
    descriptor = os.open(full, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        sparse = status.st_blocks * 512 < status.st_size
        ranges = files.data_ranges(descriptor, status.st_size) if sparse else [(0, status.st_size)]
        buffer = _buffer.block
        for start, end in ranges:
            # Two ranges may lie in one block.
            first, done = max(start // _BLOCK, done), -(-end // _BLOCK)
            for number in range(first, done):
                stopping.check()
                count = os.preadv(descriptor, [buffer], number * _BLOCK)
                if buffer[0] or buffer[:count] != _ZEROS[:count]:
                    digest.update(number.to_bytes(8, "little"))
                    digest.update(memoryview(buffer)[:count])
    finally:
        os.close(descriptor)
    return digest.hexdigest()


def _attributes(full: str) -> str:
    names = [name for name in os.listxattr(full, follow_symlinks=False) if name != LABEL]
    if not names:
        return ""
    pairs = [[name, os.getxattr(full, name, follow_symlinks=False).hex()] for name in sorted(names)]
    return hashlib.sha256(json.dumps(pairs).encode()).hexdigest()


def _read(directory: Path) -> dict[str, _Row]:
    try:
        given, _, sealed = (directory / NAME).read_bytes().partition(b"\n")
    except OSError as error:
        raise BrokenSeal("it has no seal") from error
    if hashlib.sha256(sealed).hexdigest().encode() != given:
        raise BrokenSeal("its seal is broken")
    try:
        return {path: _Row(*row) for path, row in json.loads(sealed.partition(b"\n")[2]).items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise BrokenSeal("its seal was written by another version") from error


def _keep(directory: Path, rows: Mapping[str, _Row], head: _Head) -> None:
    text = json.dumps(rows, separators=(",", ":"), sort_keys=True)
    size = "" if head.size is None else f" {head.size}"
    sealed = f"{head.content}{size}\n{text}".encode()
    given = hashlib.sha256(sealed).hexdigest().encode()
    files.write_atomic(directory / NAME, given + b"\n" + sealed, mode=0o600, outlasts_power=False)
