"""Reads a Debian binary package, deb(5) format 2.0, without any program of the host.

The file is an `ar` archive of `debian-binary`, `control.tar[.gz|.xz|.zst]` and
`data.tar[.gz|.xz|.bz2|.lzma|.zst]`, in this order.
"""

from __future__ import annotations

import enum
import io
import os
import posixpath
import re
import tarfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, TypeVar

from dockyard.errors import DockyardError, Problem
from dockyard.packages import compression
from dockyard.packages.deb import control

_AR_MAGIC = b"!<arch>\n"
_AR_HEADER = 60
_BUFFER = 1 << 20
# tarfile raises the last two for headers of pax and of sparse files that are damaged.
_DAMAGE: tuple[type[Exception], ...] = (
    *compression.ERRORS,
    tarfile.TarError,
    ValueError,
    OverflowError,
)
_MOST_SECONDS, _MOST_IDS = 1 << 40, 1 << 32
_Taken = TypeVar("_Taken")

SCRIPTS = ("preinst", "postinst", "prerm", "postrm", "config")


class MemberKind(enum.StrEnum):
    """What an entry of the data archive is."""

    DIRECTORY = "directory"
    FILE = "file"
    SYMLINK = "symlink"
    HARDLINK = "hardlink"
    CHARACTER = "character"
    BLOCK = "block"
    FIFO = "fifo"


_KINDS: Mapping[bytes, MemberKind] = {
    tarfile.REGTYPE: MemberKind.FILE,
    tarfile.AREGTYPE: MemberKind.FILE,
    tarfile.CONTTYPE: MemberKind.FILE,
    tarfile.DIRTYPE: MemberKind.DIRECTORY,
    tarfile.SYMTYPE: MemberKind.SYMLINK,
    tarfile.LNKTYPE: MemberKind.HARDLINK,
    tarfile.CHRTYPE: MemberKind.CHARACTER,
    tarfile.BLKTYPE: MemberKind.BLOCK,
    tarfile.FIFOTYPE: MemberKind.FIFO,
}


@dataclass(frozen=True, slots=True)
class DebEntry:
    """One entry of the data archive, in the package's order.

    path: relative, without a leading `./` or a trailing slash; "" is the root. Bytes that are not
    UTF-8 stand as surrogates (os.fsencode gives them back). mode: the 07777 bits. target: the
    text of a symbolic link, or the path of a hard link's target in the form of `path`. data: the
    content of a FILE, else empty. device: major and minor number of a device node.
    """

    path: str
    kind: MemberKind
    mode: int
    uid: int
    gid: int
    mtime: int
    size: int
    target: str
    uname: str
    gname: str
    data: bytes
    device: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True)
class DebPackage:
    """A .deb file: its control data is read at once, its entries when they are asked for.

    control: the fields of the control file. conffiles: absolute paths, in order.
    control_members: every file of the control archive by name (`postinst`, `md5sums`, …).
    """

    path: Path
    control: Mapping[str, str]
    conffiles: tuple[str, ...]
    control_members: Mapping[str, bytes]
    _data_member: _Member

    @property
    def scripts(self) -> tuple[str, ...]:
        """The names of the maintainer scripts that the package has."""
        return tuple(name for name in SCRIPTS if name in self.control_members)

    def listed(self) -> Iterator[str]:
        """The paths, in the form of `DebEntry`, that its control data name: of its files, but those
        that a package leaves out of md5sums, as it may.
        """
        for line in self.control_members.get("md5sums", b"").splitlines():
            _, _, name = line.decode(errors="surrogateescape").partition("  ")
            yield name.removeprefix("./")
        yield from (path.lstrip("/") for path in self.conffiles)

    def paths(self) -> Iterator[str]:
        """The paths of the data archive, in the form of `DebEntry`, but those of directories; no
        content is read. Raises DockyardError as `entries` does.
        """
        with self.path.open("rb") as source:
            yield from filter(None, _tar(self.path, source, self._data_member, self._path_of))

    def _path_of(self, info: tarfile.TarInfo, _: tarfile.TarFile) -> str:
        """The path of a member; "" for a directory."""
        return "" if info.isdir() else _inside(self.path, info.name)

    def tar(self) -> Iterator[bytes]:
        """The data archive as it is when decompressed, in pieces. Raises DockyardError
        (`deb.malformed`).
        """
        with self.path.open("rb") as source:
            window = io.BufferedReader(_Window(source, self._data_member), _BUFFER)
            plain = compression.decompressed(window, self._data_member.suffix)
            try:
                while piece := plain.read(_BUFFER):
                    yield piece
            except _DAMAGE as error:
                if isinstance(error, OSError) and error.errno is not None:
                    raise
                raise _malformed(self.path, f"its data is damaged: {error}") from error

    def write_plain(self, target: Path) -> None:
        """Write the package with its data decompressed, which dpkg-deb(1) reads as well: for those
        that read it more than once. Raises DockyardError (`deb.malformed`).
        """
        member = self._data_member
        with self.path.open("rb") as source, target.open("wb") as out:
            out.write(source.read(member.offset - _AR_HEADER))
            header, size = out.tell(), 0
            out.seek(_AR_HEADER, os.SEEK_CUR)
            for piece in self.tar():
                size += out.write(piece)
            out.write(b"\n" * (size % 2))
            out.seek(header)
            out.write(b"%-16s%-12d%-6d%-6d%-8o%-10d`\n" % (b"data.tar", 0, 0, 0, 0o100644, size))

    def entries(self) -> Iterator[DebEntry]:
        """The entries of the data archive, streamed: only one file's content is held at a time.

        Raises DockyardError (`deb.malformed`) when the archive is damaged or has a path that
        leads out of the root.
        """
        with self.path.open("rb") as source:
            yield from _tar(self.path, source, self._data_member, partial(_entry, self.path))


@dataclass(frozen=True, slots=True)
class _Member:
    """Where a member of the ar archive is in the file, in bytes."""

    name: str
    offset: int
    size: int

    @property
    def suffix(self) -> str:
        return posixpath.splitext(self.name)[1] if not self.name.endswith(".tar") else ""


def read_deb(path: Path) -> DebPackage:
    """Open a .deb file. Raises DockyardError (`deb.malformed`) when it is not one."""
    with path.open("rb") as source:
        members = {member.name: member for member in _ar_members(path, source)}
        if "debian-binary" not in members:
            raise _malformed(path, "it has no member debian-binary")
        source.seek(members["debian-binary"].offset)
        version = source.read(members["debian-binary"].size)
        if not version.startswith(b"2."):
            raise _malformed(path, f"its format is {version[:20]!r}, not 2.x")
        control_member = _find(path, members, "control.tar")
        data_member = _find(path, members, "data.tar")
        named = _tar(path, source, control_member, partial(_control_file, path))
        files = dict(each for each in named if each)
    found = next(control.paragraphs(files.get("control", b"").decode(errors="replace")), None)
    if not found or "Package" not in found or "Version" not in found:
        raise _malformed(path, "its control file names no package and version")
    return DebPackage(path, found, _conffiles(files.get("conffiles", b"")), files, data_member)


def _conffiles(text: bytes) -> tuple[str, ...]:
    # A line may carry a flag before the path (`remove-on-upgrade /etc/x`): no file of this package.
    lines = (line.strip() for line in text.decode(errors="surrogateescape").splitlines())
    return tuple(line for line in lines if line.startswith("/"))


def _ar_members(path: Path, source: IO[bytes]) -> Iterator[_Member]:
    if source.read(len(_AR_MAGIC)) != _AR_MAGIC:
        raise _malformed(path, "it does not begin as an ar archive does")
    end = path.stat().st_size
    offset = len(_AR_MAGIC)
    while offset < end:
        source.seek(offset)
        header = source.read(_AR_HEADER)
        if len(header) < _AR_HEADER or header[58:60] != b"`\n":
            raise _malformed(path, f"the ar header at byte {offset} is damaged")
        digits = header[48:58].strip()
        if not re.fullmatch(rb"[0-9]+", digits):
            raise _malformed(path, f"the ar header at byte {offset} has no size")
        size = int(digits)
        name = header[:16].decode("ascii", "replace").strip().removesuffix("/")
        if offset + _AR_HEADER + size > end:
            raise _malformed(path, f"it ends within its member {name}")
        yield _Member(name, offset + _AR_HEADER, size)
        offset += _AR_HEADER + size + size % 2


def _find(path: Path, members: Mapping[str, _Member], stem: str) -> _Member:
    for suffix in compression.SUFFIXES:
        if stem + suffix in members:
            return members[stem + suffix]
    raise _malformed(path, f"it has no member {stem} in a compression that is known")


class _Window(io.RawIOBase):
    """A part of an open file, as a stream of its own."""

    def __init__(self, source: IO[bytes], member: _Member) -> None:
        source.seek(member.offset)
        self._source = source
        self._left = member.size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        block = self._source.read(min(len(buffer), self._left))
        buffer[: len(block)] = block
        self._left -= len(block)
        return len(block)


def _tar(
    path: Path,
    source: IO[bytes],
    member: _Member,
    take: Callable[[tarfile.TarInfo, tarfile.TarFile], _Taken],
) -> Iterator[_Taken]:
    """What `take` makes of each member of an archive."""
    plain = compression.decompressed(
        io.BufferedReader(_Window(source, member), _BUFFER), member.suffix
    )
    try:
        with tarfile.open(
            fileobj=plain,
            mode="r|",
            bufsize=_BUFFER,
            encoding="utf-8",
            errors="surrogateescape",
        ) as archive:
            for info in archive:
                # The list of all members is not wanted: only one is looked at, once.
                archive.members = []  # type: ignore[attr-defined]
                if info.issparse():  # dpkg reads none, and such a file says any size
                    raise _malformed(path, f"{info.name} is sparse")
                yield take(info, archive)
    except _DAMAGE as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise _malformed(path, f"its member {member.name} is damaged: {error}") from error


def _content(path: Path, info: tarfile.TarInfo, archive: tarfile.TarFile) -> bytes:
    stream = archive.extractfile(info)
    data = stream.read() if stream else b""
    if len(data) != info.size:
        raise _malformed(path, f"it ends within {info.name}")
    return data


def _control_file(
    path: Path, info: tarfile.TarInfo, archive: tarfile.TarFile
) -> tuple[str, bytes] | None:
    """The name of a file and what is in it; None for what is no file."""
    if not info.isreg():
        return None
    return info.name.removeprefix("./"), _content(path, info, archive)


def _entry(path: Path, info: tarfile.TarInfo, archive: tarfile.TarFile) -> DebEntry:
    kind = _KINDS.get(info.type)
    if kind is None:
        raise _malformed(path, f"{info.name} is of a kind that is not known: {info.type!r}")
    target = info.linkname if kind is MemberKind.SYMLINK else ""
    if kind is MemberKind.HARDLINK:
        target = _inside(path, info.linkname)
    if abs(info.mtime) > _MOST_SECONDS or max(info.uid, info.gid) >= _MOST_IDS:
        raise _malformed(path, f"{info.name} has a time or an owner that is none")
    if "\0" in target or "\0" in info.name:
        raise _malformed(path, f"{info.name!r} is a path that is none")
    return DebEntry(
        path=_inside(path, info.name),
        kind=kind,
        mode=info.mode & 0o7777,
        uid=info.uid,
        gid=info.gid,
        mtime=int(info.mtime),
        size=info.size if kind is MemberKind.FILE else 0,
        target=target,
        uname=info.uname,
        gname=info.gname,
        data=_content(path, info, archive) if kind is MemberKind.FILE else b"",
        device=(info.devmajor, info.devminor)
        if kind in (MemberKind.CHARACTER, MemberKind.BLOCK)
        else (0, 0),
    )


def _inside(path: Path, name: str) -> str:
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise _malformed(path, f"the path {name} leads out of the root")
    return "/".join(parts)


def _malformed(path: Path, why: str) -> DockyardError:
    return DockyardError(
        Problem(
            code="deb.malformed",
            what=f"{path.name} is not a whole Debian package",
            where=str(path),
            why=why,
            fix="remove the file; it will be fetched again",
        )
    )
