"""Reads RPM packages: lead, signature header, main header, and the files of the payload.

Any RPM of format 4 is read, whoever made it: payloads of gzip, xz, lzma, bzip2, zstd and none.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TypeVar

from dockyard.errors import DockyardError, Problem
from dockyard.packages import compression
from dockyard.packages.rpm.contents import (
    FileFlag,
    PackagedFile,
    RpmRelation,
    Sense,
)
from dockyard.packages.rpm.header import Header, MalformedHeader, Tag, parse
from dockyard.packages.rpm.payload import MalformedPayload, read_cpio, read_in_pieces

_T = TypeVar("_T")

LEAD_SIZE = 96
_BUFFER = 1 << 17
_DAMAGE: tuple[type[Exception], ...] = (*compression.ERRORS, MalformedPayload)
_LEAD_MAGIC = b"\xed\xab\xee\xdb"
_HEAD = 1 << 20
_LONGEST_NAME = 240  # so that a file may be named by it
_WORD = re.compile(r"[\w.+~^:@()-]+")
_SUFFIXES = {
    "": ".gz",
    "gzip": ".gz",
    "xz": ".xz",
    "lzma": ".lzma",
    "bzip2": ".bz2",
    "zstd": ".zst",
}
_RELATIONS: dict[str, tuple[Tag, Tag, Tag]] = {
    "requires": (Tag.REQUIRENAME, Tag.REQUIREFLAGS, Tag.REQUIREVERSION),
    "provides": (Tag.PROVIDENAME, Tag.PROVIDEFLAGS, Tag.PROVIDEVERSION),
    "conflicts": (Tag.CONFLICTNAME, Tag.CONFLICTFLAGS, Tag.CONFLICTVERSION),
    "obsoletes": (Tag.OBSOLETENAME, Tag.OBSOLETEFLAGS, Tag.OBSOLETEVERSION),
    "recommends": (Tag.RECOMMENDNAME, Tag.RECOMMENDFLAGS, Tag.RECOMMENDVERSION),
    "suggests": (Tag.SUGGESTNAME, Tag.SUGGESTFLAGS, Tag.SUGGESTVERSION),
    "supplements": (Tag.SUPPLEMENTNAME, Tag.SUPPLEMENTFLAGS, Tag.SUPPLEMENTVERSION),
    "enhances": (Tag.ENHANCENAME, Tag.ENHANCEFLAGS, Tag.ENHANCEVERSION),
}


@dataclass(frozen=True, slots=True)
class RpmFile:
    """An RPM that has been opened: its headers, and where its parts are in the file (bytes)."""

    path: Path
    signature: Header
    header: Header
    header_offset: int
    payload_offset: int

    @property
    def name(self) -> str:
        return self.header.text(Tag.NAME)

    @property
    def evr(self) -> str:
        """`[epoch:]version-release`; epoch 0 is left out."""
        return evr_of(self.header)

    @property
    def architecture(self) -> str:
        return self.header.text(Tag.ARCH)

    @property
    def nevra(self) -> str:
        return f"{self.name}-{self.evr}.{self.architecture}"

    def relations(self, kind: str) -> tuple[RpmRelation, ...]:
        """The relations of a kind: requires, provides, conflicts, obsoletes, recommends, …"""
        try:
            return relations_of(self.header, kind)
        except MalformedHeader as error:
            raise _malformed(self.path, str(error)) from None

    def files(self) -> tuple[PackagedFile, ...]:
        """The files as the header lists them, without data."""
        try:
            return files_of(self.header)
        except MalformedHeader as error:
            raise _malformed(self.path, str(error)) from None

    def contents(self) -> Iterator[PackagedFile]:
        """The files of the payload, in the header's order, with their data.

        Ghosts come without data. Members of a hard-link group share theirs. Everything is read
        into memory. Raises DockyardError (`rpm.malformed`) when the payload is damaged.
        """
        data: dict[str, bytes] = {}
        groups: dict[int, bytes] = {}
        inode_of: dict[str, int] = {}
        for path, _mode, inode, content in self._entries():
            data[f"/{path}"] = content
            inode_of[f"/{path}"] = inode
            if content:
                groups[inode] = content
        for file in self.files():
            content = data.get(file.path, b"")
            if file.link and file.path in inode_of:
                content = groups.get(inode_of[file.path], b"")
            if file.is_regular and content and not file.flags & FileFlag.GHOST:
                file = _with_data(file, content)
            yield file

    def entries(self) -> Iterator[tuple[str, int, bytes]]:
        """Path, mode and data of the payload's entries as they stand in it; all but the last of a
        hard-link group come with the group's data as well. Raises DockyardError (`rpm.malformed`).
        """
        # By the header's groups: what numbers the payload has is not signed.
        groups = {file.path: file.link for file in self.files() if file.link}
        waiting: dict[int, list[tuple[str, int]]] = {}
        for name, mode, _, content in self._entries():
            path = f"/{name}"
            group = groups.get(path, 0)
            if group and not content:
                waiting.setdefault(group, []).append((path, mode))
                continue
            for other, its_mode in waiting.pop(group, ()):
                yield other, its_mode, content
            yield path, mode, content
        for left in waiting.values():
            yield from ((path, mode, b"") for path, mode in left)

    def in_pieces(self) -> Iterator[tuple[str, int, int, Iterator[bytes]]]:
        """Path (without `/`), mode, inode and data of the payload's entries as they stand in it:
        see `payload.read_in_pieces`. Raises DockyardError (`rpm.malformed`).
        """
        for path, mode, inode, pieces in self._read(read_in_pieces):
            yield path, mode, inode, self._whole(pieces)

    def _whole(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """Pieces that are read when whoever has them asks for them: damage shows there."""
        try:
            yield from pieces
        except _DAMAGE as error:
            raise _malformed(self.path, str(error)) from error

    def _entries(self) -> Iterator[tuple[str, int, int, bytes]]:
        yield from self._read(read_cpio)

    def _read(self, read: Callable[[IO[bytes]], Iterator[_T]]) -> Iterator[_T]:
        name = self.header.text(Tag.PAYLOADCOMPRESSOR)
        suffix = _SUFFIXES.get(name)
        if suffix is None:
            raise _malformed(self.path, f"its payload has the unknown compression {name}")
        with self.path.open("rb") as source:
            source.seek(self.payload_offset)
            try:
                plain = compression.decompressed(source, suffix)
                yield from read(io.BufferedReader(plain, _BUFFER))  # type: ignore[type-var]
            except _DAMAGE as error:
                raise _malformed(self.path, str(error)) from error


def _with_data(file: PackagedFile, data: bytes) -> PackagedFile:
    return PackagedFile(
        file.path,
        file.mode,
        data,
        file.target,
        file.owner,
        file.group,
        file.mtime,
        file.flags,
        file.verify,
        file.capabilities,
        file.link,
    )


def evr_of(header: Header) -> str:
    """`[epoch:]version-release`; epoch 0 is left out."""
    epoch = header.number(Tag.EPOCH)
    prefix = f"{epoch}:" if epoch else ""
    return f"{prefix}{header.text(Tag.VERSION)}-{header.text(Tag.RELEASE)}"


def relations_of(header: Header, kind: str) -> tuple[RpmRelation, ...]:
    """The relations of a kind that a main header has. Raises MalformedHeader."""
    names, flags, versions = _RELATIONS[kind]
    columns = header.texts(names), header.numbers(flags), header.texts(versions)
    if len({len(column) for column in columns}) > 1:
        raise MalformedHeader(f"the columns of its {kind} are of unequal length")
    return tuple(
        RpmRelation(name, Sense(flag), version)
        for name, flag, version in zip(*columns, strict=True)
    )


def files_of(header: Header) -> tuple[PackagedFile, ...]:
    """The files that a main header lists, without data. Raises MalformedHeader."""
    names = header.texts(Tag.BASENAMES)
    if not names:
        return ()
    count = len(names)
    directories = header.texts(Tag.DIRNAMES)
    capabilities = header.texts(Tag.FILECAPS) or ("",) * count
    inodes = header.numbers(Tag.FILEINODES)
    many = {inode for inode, uses in Counter(inodes).items() if uses > 1}
    columns = (
        names,
        header.numbers(Tag.DIRINDEXES),
        header.numbers(Tag.FILEMODES),
        header.texts(Tag.FILELINKTOS),
        header.texts(Tag.FILEUSERNAME),
        header.texts(Tag.FILEGROUPNAME),
        header.numbers(Tag.FILEMTIMES),
        header.numbers(Tag.FILEFLAGS),
        header.numbers(Tag.FILEVERIFYFLAGS) or (0xFFFFFFFF,) * count,
        capabilities,
        inodes,
    )
    if any(len(column) != count for column in columns):
        raise MalformedHeader("the columns of its files are of unequal length")
    if max(header.numbers(Tag.DIRINDEXES)) >= len(directories):
        raise MalformedHeader("a file is in a directory that it does not list")
    return tuple(
        PackagedFile(
            path=directories[index] + name,
            mode=mode,
            target=target,
            owner=owner,
            group=group,
            mtime=mtime,
            flags=FileFlag(flags),
            verify=verify,
            capabilities=caps,
            link=inode if inode in many else 0,
        )
        for name, index, mode, target, owner, group, mtime, flags, verify, caps, inode in zip(
            *columns, strict=True
        )
    )


def read_package(path: Path) -> RpmFile:
    """Open an RPM. Raises DockyardError (`rpm.malformed`) when it is not one."""
    with path.open("rb") as source:
        try:
            return _read(path, source)
        except MalformedHeader as error:
            raise _malformed(path, str(error)) from error


def _read(path: Path, source: IO[bytes]) -> RpmFile:
    data = source.read(_HEAD)
    if data[:4] != _LEAD_MAGIC:
        raise MalformedHeader("it does not begin with the lead of an RPM")
    while True:
        try:
            signature, end = parse(data, LEAD_SIZE)
            start = end + -end % 8
            header, payload = parse(data, start)
            break
        except MalformedHeader:
            more = source.read(len(data))
            if not more:
                raise
            data += more
    for tag in (Tag.NAME, Tag.VERSION, Tag.RELEASE, Tag.ARCH):
        if not _WORD.fullmatch(header.text(tag)):
            raise MalformedHeader(f"its {tag.name.lower()} is {header.text(tag)[:60]!r}")
    found = RpmFile(path, signature, header, start, payload)
    if len(found.nevra.encode()) > _LONGEST_NAME:
        raise MalformedHeader(
            f"its name, version and architecture have more than {_LONGEST_NAME} bytes: "
            f"{found.nevra[:60]!r}…"
        )
    return found


def opened(package: RpmFile | Path) -> RpmFile:
    """A package that may have been opened already. Raises DockyardError as read_package does."""
    return package if isinstance(package, RpmFile) else read_package(package)


def content_digest(package: RpmFile | Path) -> str:
    """`sha256:<hex>` of main header and payload: the package without its signatures, so the same
    for every signer.
    """
    package = opened(package)
    with package.path.open("rb") as source:
        source.seek(package.header_offset)
        return f"sha256:{hashlib.file_digest(source, 'sha256').hexdigest()}"


def _malformed(path: Path, why: str) -> DockyardError:
    return DockyardError(
        Problem(
            code="rpm.malformed",
            what=f"{path.name} is not a whole RPM package",
            where=str(path),
            why=why,
            fix="remove the file; it will be made or fetched again",
        )
    )
