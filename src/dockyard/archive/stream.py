"""Writes and reads the canonical stream: an archive as one POSIX pax file (IEEE 1003.1, pax).

What the writer keeps to, because each of the programs that read it would else lose something
without a word: the root `./` first; parents before children, link targets before links, each name
once; numbers and times in the ustar header where they fit and in an extended header where not;
fractions of seconds with exactly nine digits; `hdrcharset=BINARY` before a name that is not ASCII;
extended attributes as raw bytes in `SCHILY.xattr.*`, ACLs among them; zeros written out, never a
sparse member.

A stream for other programs (`portable`) differs in two things. ACLs are there as text too
(`SCHILY.acl.*`), for GNU tar (with --acls) and bsdtar pass over attributes that are ACLs. A name
that fits into the ustar header is there alone, whatever its bytes: GNU tar, which writes names so
itself, warns of each `hdrcharset`.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, cast

from dockyard.archive.acl_text import acl_text
from dockyard.archive.archive import Archive, changed_meanwhile, require_digest
from dockyard.archive.entry import (
    NANOSECONDS,
    XATTR_ACL_ACCESS,
    XATTR_ACL_DEFAULT,
    Entry,
    Kind,
    path_text,
)
from dockyard.archive.flags import PAX_FLAGS, XATTR_FLAGS, flags_of, words
from dockyard.errors import DockyardError, Problem
from dockyard.host.stopping import Stopped

BLOCK = 512
# name, mode, uid, gid, size, mtime, checksum, type, link name, magic and version, user's name,
# group's name, major, minor, prefix
USTAR = struct.Struct("100s8s8s8s12s12s8s1s100s8s32s32s8s8s155s12x")
_FLUSH = 1 << 20
_PIPE = 1 << 20
_SMALL = 1 << 16
_TYPES = {
    Kind.FILE: b"0",
    Kind.HARDLINK: b"1",
    Kind.SYMLINK: b"2",
    Kind.CHARACTER: b"3",
    Kind.BLOCK: b"4",
    Kind.DIRECTORY: b"5",
    Kind.FIFO: b"6",
}
_ACLS = {b"SCHILY.acl.access": XATTR_ACL_ACCESS, b"SCHILY.acl.default": XATTR_ACL_DEFAULT}
_ZEROS = bytes(BLOCK)
_MAX_NUMBER = 0o7777777
_MAX_SIZE = 0o77777777777


def header(entry: Entry, portable: bool = False) -> bytes:
    """The header blocks of an entry: the extended header when it needs one, and the ustar header.

    A hard link has no data and no attributes of its own. Raises DockyardError for an ACL that is
    to be told as text and is none.
    """
    path = entry.path or b"."
    if entry.kind is Kind.DIRECTORY:
        path += b"/"
    seconds, fraction = divmod(entry.mtime_ns, NANOSECONDS)
    size = entry.size if entry.kind is Kind.FILE else 0
    records: list[tuple[bytes, bytes]] = []
    names = [
        (key, name)
        for key, name in ((b"path", path), (b"linkpath", entry.target))
        if len(name) > 100 or not (portable or name.isascii())
    ]
    if not all(name.isascii() for _, name in names):
        records.append((b"hdrcharset", b"BINARY"))
    records += names
    if fraction or not 0 <= seconds <= _MAX_SIZE:
        records.append((b"mtime", _pax_time(entry.mtime_ns)))
    if entry.uid > _MAX_NUMBER:
        records.append((b"uid", b"%d" % entry.uid))
    if entry.gid > _MAX_NUMBER:
        records.append((b"gid", b"%d" % entry.gid))
    if size > _MAX_SIZE:
        records.append((b"size", b"%d" % size))
    if entry.kind is not Kind.HARDLINK:
        if portable:
            records += _acl_texts(entry)
        records += [
            (b"SCHILY.xattr." + name, value)
            if name != XATTR_FLAGS
            else (PAX_FLAGS, words(flags_of(entry)))
            for name, value in entry.xattrs
        ]
    block = _ustar(
        path[:100],
        entry.mode,
        entry.uid if entry.uid <= _MAX_NUMBER else 0,
        entry.gid if entry.gid <= _MAX_NUMBER else 0,
        size if size <= _MAX_SIZE else 0,
        min(max(seconds, 0), _MAX_SIZE),
        _TYPES[entry.kind],
        entry.target[:100],
        entry.rdev,
    )
    if not records:
        return block
    body = b"".join(_record(key, value) for key, value in records)
    extended = _ustar(b"PaxHeaders/x", 0o644, 0, 0, len(body), 0, b"x", b"", (0, 0))
    return extended + body + _padding(len(body)) + block


def _acl_texts(entry: Entry) -> Iterator[tuple[bytes, bytes]]:
    for key, name in _ACLS.items():
        value = entry.xattr(name)
        if value is not None:
            try:
                yield key, acl_text(value)
            except ValueError as error:
                raise DockyardError(
                    Problem(
                        code="archive.acl",
                        what="an access control list is damaged",
                        where=path_text(entry.path),
                        why=str(error),
                        fix=f"remove the attribute {name.decode()} in a script of the image",
                    )
                ) from error


def _ustar(
    name: bytes,
    mode: int,
    uid: int,
    gid: int,
    size: int,
    mtime: int,
    kind: bytes,
    target: bytes,
    rdev: tuple[int, int],
) -> bytes:
    made = USTAR.pack(
        name, b"%07o" % mode, b"%07o" % uid, b"%07o" % gid, b"%011o" % size, b"%011o" % mtime,
        b" " * 8, kind, target, b"ustar\00000", b"", b"", b"%07o" % rdev[0], b"%07o" % rdev[1], b"",
    )  # fmt: skip
    # The checksum counts its own field as blanks.
    return made[:148] + b"%06o\0 " % sum(made) + made[156:]


def _record(key: bytes, value: bytes) -> bytes:
    """A record: its own length in decimal, a space, key=value and a newline."""
    rest = len(key) + len(value) + 3
    length = rest + len(str(rest))
    if len(str(length)) != len(str(rest)):
        length = rest + len(str(length))
    return b"%d %b=%b\n" % (length, key, value)


def _pax_time(mtime_ns: int) -> bytes:
    seconds, fraction = divmod(abs(mtime_ns), NANOSECONDS)
    sign = b"-" if mtime_ns < 0 else b""
    return b"%b%d.%09d" % (sign, seconds, fraction) if fraction else b"%b%d" % (sign, seconds)


def _padding(size: int) -> bytes:
    return _ZEROS[: -size % BLOCK]


def write_stream(archive: Archive, out: IO[bytes], *, portable: bool = False) -> None:
    """Write the whole archive. `out` may be a pipe; portable: see above. Raises BrokenPipeError
    when nobody reads it, DockyardError when a file cannot be read or is not what the archive lists:
    each is digested on its way, unless it was sealed and not touched since.
    """
    pending = bytearray()
    for index, entry in enumerate(archive.entries):
        pending += header(entry, portable)
        if entry.kind is not Kind.FILE or not entry.size:
            continue
        with archive.open_at(index) as data:
            known = archive.is_as_listed(index, data)
            if entry.size <= _SMALL:
                found = data.read(entry.size + 1)
                if len(found) != entry.size:
                    raise DockyardError(changed_meanwhile(entry.path, entry.size, len(found)))
                if not known:
                    require_digest(entry, hashlib.sha256(found).hexdigest())
                pending += found
            else:
                out.write(pending)
                pending.clear()
                if known and isinstance(out, _Whole):
                    out.send(entry, data)
                else:
                    _copy(entry, data, out)
        pending += _padding(entry.size)
        if len(pending) >= _FLUSH:
            out.write(pending)
            pending.clear()
    out.write(pending + bytes(2 * BLOCK))
    out.flush()


def _copy(entry: Entry, data: IO[bytes], out: IO[bytes]) -> None:
    left, digest = entry.size, hashlib.sha256()
    while left and (piece := data.read(min(left, _FLUSH))):
        digest.update(piece)
        out.write(piece)
        left -= len(piece)
    if left:
        raise DockyardError(changed_meanwhile(entry.path, entry.size, entry.size - left))
    require_digest(entry, digest.hexdigest())


@contextmanager
def streamed(archive: Archive, *, portable: bool = False) -> Iterator[IO[bytes]]:
    """The stream as an open pipe, fed by a thread as it is read. portable: see above.

    What stops the writer is raised at the end of the block, in place of what the reader made of
    the broken stream. A reader that stops early is not a failure of the stream.
    """
    read_end, write_end = os.pipe()
    with suppress(OSError):  # an unprivileged user's pipes may be held small
        fcntl.fcntl(write_end, fcntl.F_SETPIPE_SZ, _PIPE)
    failed: list[Exception] = []

    def feed() -> None:
        try:
            with os.fdopen(write_end, "wb", buffering=0) as out:
                write_stream(archive, cast(IO[bytes], _Whole(out)), portable=portable)
        except (BrokenPipeError, Stopped):
            pass  # the reader learns of it by itself
        except Exception as error:
            failed.append(error)

    feeder = threading.Thread(target=feed, name="archive-stream")
    feeder.start()
    try:
        with os.fdopen(read_end, "rb") as out:
            yield out
    except DockyardError as error:
        feeder.join()
        if failed:
            raise failed[0] from error
        raise
    finally:
        feeder.join()
    if failed:
        raise failed[0]


class _Whole:
    """A raw descriptor whose writes are never short."""

    def __init__(self, raw: IO[bytes]) -> None:
        self._raw = raw
        self.flush = raw.flush

    def write(self, data: bytes | bytearray) -> int:
        view = memoryview(data)
        done = 0
        while done < len(view):
            done += self._raw.write(view[done:])
        return done

    def send(self, entry: Entry, data: IO[bytes]) -> None:
        """Write all data of a file without a copy of them in this process."""
        done = 0
        while done < entry.size:
            sent = os.sendfile(self._raw.fileno(), data.fileno(), done, entry.size - done)
            if not sent:
                raise DockyardError(changed_meanwhile(entry.path, entry.size, done))
            done += sent
