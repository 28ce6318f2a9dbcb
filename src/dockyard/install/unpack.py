"""Unpacks one package into a tree of its own, once for all images that have it.

A package's result directory:

    tree/          its files, owned by root, with their modes, times and capabilities
    index          the archive of what the package lists and contains, with digests; directories
                   that it needs but does not list are in the tree only
    header         its header as the rpm database stores it, see `database_header`
    package.json   what else is known of it, see `Facts`

One pass: data is digested as it is decompressed and written. Nothing here depends on an image:
whether documents are wanted, which numbers owners have and what other packages bring is decided
when trees are merged, see `compose`. What rpm does not unpack (%ghost) is left out.

Digests and signatures of packages are checked before they come here, see `packages`.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import chain
from pathlib import Path

from dockyard import archive
from dockyard.archive import Archive, Entry, Kind, TreeSource
from dockyard.archive.archive import linked
from dockyard.archive.entry import KIND_OF_FORMAT, NANOSECONDS, Xattrs, order
from dockyard.errors import DockyardError, Problem
from dockyard.host import stopping
from dockyard.host.files import make_root
from dockyard.install.database_header import database_header
from dockyard.install.unsuited import reasons, unpackable
from dockyard.packages.rpm import capabilities
from dockyard.packages.rpm.contents import FileFlag, PackagedFile
from dockyard.packages.rpm.header import MalformedHeader, without_signatures
from dockyard.packages.rpm.reader import RpmFile, opened

TREE = "tree"
INDEX = "index"
HEADER = "header"
FACTS = "package.json"

_SHOWN = 60
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
# What the kernel says of names that no tree can have.
_NO_NAMES = (errno.ENAMETOOLONG, errno.ENOENT, errno.EEXIST)
_MADE = (Kind.DIRECTORY, Kind.FILE, Kind.SYMLINK, Kind.FIFO)


@dataclass(frozen=True, slots=True)
class Facts:
    """nevra: of the package. unsuited: why rpm must install it itself, a line each; see
    `unsuited`. files: how many the index has, further names not counted.
    """

    nevra: str
    unsuited: tuple[str, ...]
    files: int

    @classmethod
    def load(cls, place: Path) -> Facts:
        loaded = json.loads((place / FACTS).read_bytes())
        return cls(loaded["nevra"], tuple(loaded["unsuited"]), loaded["files"])

    def save(self, place: Path) -> None:
        (place / FACTS).write_text(json.dumps(asdict(self), indent=1) + "\n")


def unpack_package(package: RpmFile | Path, out: Path, *, signed: bool = False) -> Archive:
    """Unpack a package and return the archive of it.

    package: an RPM, which may be open. out: an empty directory, filled as the module says; call
    `namespace.enter()` before. signed: keep the package's signatures in the database; they
    differ from signer to signer. Raises DockyardError (`rpm.malformed`).
    """
    package = opened(package)
    files = package.files()
    for file in files:
        if not _is_plain(file):
            raise _malformed(package.path, f"it lists {file.path!r}, which is no plain path")
    signature = package.signature if signed else without_signatures(package.signature)
    with package.path.open("rb") as source:
        source.seek(package.header_offset)
        main = source.read(package.payload_offset - package.header_offset)
    unsuited = reasons(package.header, files)
    try:
        (out / HEADER).write_bytes(database_header(main, signature, len(files)))
    except MalformedHeader as error:
        (out / HEADER).write_bytes(b"")
        unsuited.append(str(error))
    tree = _Tree(out / TREE, files)
    if unpackable(package.header):
        for path, _, _, pieces in package.in_pieces():
            stopping.check()
            try:
                listed = tree.add(path, pieces)
            except OSError as error:
                if error.errno not in _NO_NAMES:
                    raise
                raise _malformed(package.path, f"{path[:_SHOWN]!r}: {error.strerror}") from error
            if not listed:
                raise _malformed(
                    package.path,
                    f"its payload has {path[:_SHOWN]!r}, which its header does not list",
                )
        if missing := tree.missing():
            raise _malformed(package.path, f"its payload lacks {missing[:_SHOWN]!r}")
    made = tree.finish()
    archive.save(made, out / INDEX)
    files_made = sum(entry.kind is Kind.FILE for entry in made)
    Facts(package.nevra, tuple(unsuited), files_made).save(out)
    return made


def _is_plain(file: PackagedFile) -> bool:
    """Whether a path is absolute, and says itself where it is."""
    if file.path == "/":
        return file.is_directory
    root, *names = file.path.split("/")
    return not root and all(name not in ("", ".", "..") for name in names)


class _Group:
    """The hard links of one file, in the order of the payload, and its entry under the first."""

    def __init__(self, whole: Entry) -> None:
        self.whole = whole
        self.paths = [whole.path]


class _Tree:
    """A tree under construction."""

    def __init__(self, root: Path, files: Sequence[PackagedFile]) -> None:
        """files: those that the package lists; ghosts are left out here."""
        make_root(root)
        self._tree = root
        self._root = os.fsencode(root)
        self._wanted = {
            file.path.lstrip("/"): file for file in files if not file.flags & FileFlag.GHOST
        }
        # Nothing can be made below these; `unsuited` has reported it.
        self._leaves = {
            os.fsencode(path) for path, file in self._wanted.items() if not file.is_directory
        }
        self._entries: dict[bytes, Entry] = {}
        self._groups: dict[int, _Group] = {}
        self._directories: set[bytes] = {b""}

    def add(self, name: str, pieces: Iterator[bytes]) -> bool:
        """Create what an entry of the payload describes, with the attributes in the header; False
        where the header does not list it, or it was added before.
        """
        file = self._wanted.pop(name, None)
        if file is None:
            return False
        path = os.fsencode(name)
        kind = KIND_OF_FORMAT.get(stat.S_IFMT(file.mode))
        if kind in _MADE and self._make_directory(path if file.is_directory else _above(path)):
            mtime = file.mtime * NANOSECONDS
            entry = Entry(path, kind, stat.S_IMODE(file.mode), mtime_ns=mtime)
            self._make(entry, file, pieces)
        return True

    def _make(self, entry: Entry, file: PackagedFile, pieces: Iterator[bytes]) -> None:
        full = self._root + b"/" + entry.path
        if entry.kind is Kind.FILE:
            if file.capabilities:
                entry = replace(entry, xattrs=_capabilities(file.capabilities))
            if file.link:
                self._make_linked(full, entry, file.link, pieces)
                return
            entry = _written(os.open(full, _WRITE, 0o600), entry, pieces)
        elif entry.kind is Kind.SYMLINK:
            entry = replace(entry, target=os.fsencode(file.target))
            os.symlink(entry.target, full)  # noqa: PTH211 (bytes)
            _dress(full, entry)
        elif entry.kind is Kind.FIFO:
            os.mkfifo(full, 0o600)
            _dress(full, entry)
        self._entries[entry.path] = entry

    def _make_linked(self, full: bytes, entry: Entry, link: int, pieces: Iterator[bytes]) -> None:
        group = self._groups.get(link)
        if group is None:
            self._groups[link] = _Group(_written(os.open(full, _WRITE, 0o600), entry, pieces))
            return
        os.link(self._root + b"/" + group.whole.path, full, follow_symlinks=False)
        group.paths.append(entry.path)
        # The payload has the data of hard links with the last of their names.
        if data := next(pieces, b""):
            descriptor = os.open(full, os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC)
            group.whole = _written(descriptor, group.whole, chain((data,), pieces))

    def _make_directory(self, path: bytes) -> bool:
        """Make a directory and those above it; False where a file or link is in the way."""
        lacking: list[bytes] = []
        while path not in self._directories:
            if path in self._leaves:
                return False
            lacking.append(path)
            path = _above(path)
        for each in reversed(lacking):
            os.mkdir(self._root + b"/" + each, 0o755)  # noqa: PTH102 (bytes)
            self._directories.add(each)
        return True

    def missing(self) -> str:
        """A path that the header lists and the payload lacks; empty when there is none."""
        return min(self._wanted, default="")

    def finish(self) -> Archive:
        """Give directories their attributes, and return the archive of what is listed."""
        for group in self._groups.values():
            first, *others = sorted(group.paths, key=order)
            self._entries[first] = whole = replace(group.whole, path=first)
            self._entries.update({path: linked(path, whole) for path in others})
        for path in sorted(self._directories, key=order, reverse=True):
            entry = self._entries.get(path) or Entry(path, Kind.DIRECTORY, 0o755)
            _dress(self._root + b"/" + path if path else self._root, entry)
        entries = sorted(self._entries.values(), key=lambda entry: order(entry.path))
        return Archive(entries, (TreeSource(self._tree),))


def _above(path: bytes) -> bytes:
    return path.rpartition(b"/")[0]


def _capabilities(text: str) -> Xattrs:
    try:
        return ((os.fsencode(capabilities.ATTRIBUTE), capabilities.attribute(text)),)
    except ValueError:
        return ()  # `unsuited` has reported them


def _written(descriptor: int, entry: Entry, pieces: Iterator[bytes]) -> Entry:
    """Fill an open file and give it its attributes; returns the entry with size and digest."""
    size, digest = 0, hashlib.sha256()
    try:
        for piece in pieces:
            digest.update(piece)
            size += len(piece)
            view = memoryview(piece)
            while view:
                view = view[os.write(descriptor, view) :]
        # In this order: setting one may undo those after it.
        os.fchown(descriptor, 0, 0)
        os.fchmod(descriptor, entry.mode)
        for name, value in entry.xattrs:
            os.setxattr(descriptor, name, value)
        os.utime(descriptor, ns=(entry.mtime_ns, entry.mtime_ns))
    finally:
        os.close(descriptor)
    # Positional arguments: dataclasses.replace takes as long as everything else here.
    return Entry(
        entry.path, entry.kind, entry.mode, entry.uid, entry.gid, entry.mtime_ns, size,
        digest.hexdigest(), entry.target, entry.rdev, entry.xattrs,
    )  # fmt: skip


def _dress(full: bytes, entry: Entry) -> None:
    os.chown(full, 0, 0, follow_symlinks=False)
    if entry.kind is not Kind.SYMLINK:
        os.chmod(full, entry.mode)  # noqa: PTH101 (bytes)
    os.utime(full, ns=(entry.mtime_ns, entry.mtime_ns), follow_symlinks=False)


def _malformed(package: Path, why: str) -> DockyardError:
    return DockyardError(
        Problem(
            code="rpm.malformed",
            what=f"{package.name} is not a whole RPM package",
            where=str(package),
            why=why,
            fix="remove the file; it will be made or fetched again",
        )
    )
