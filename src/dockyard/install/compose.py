"""Merges the trees of unpacked packages into one by hard links, and derives its archive from theirs
without reading a file.

The result is what rpm would unpack from the same packages into an empty tree. Where that would
depend on the order of packages, or be an error, `Unsuited` is raised, and rpm has to do it itself.

Nothing may write to the tree afterwards, because it shares its files with the trees of the
packages: it is meant to be the lower layer of an overlay. Files whose attributes must differ from
those in the package's tree are copied: files that root does not own, and files that are newer than
the image may be.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from dockyard import archive
from dockyard.archive import Archive, Entry, Kind, TreeSource
from dockyard.archive.archive import linked, require_digest
from dockyard.archive.entry import clamped, order, path_text
from dockyard.host import files, removal, seal, stopping
from dockyard.host.namespace import MAPPED_IDS
from dockyard.install.database_header import NORMAL
from dockyard.install.file_states import TAGS, HeaderFiles
from dockyard.install.links import Links
from dockyard.install.unpack import HEADER, INDEX, TREE, Facts
from dockyard.packages.rpm.header import Tag, parse

# The directories in which programs find the kernel, and those that rpm needs. The first two are
# mounted over while packages are installed, so nobody sees what packages have there.
MOUNT_POINTS = (("dev", 0o755), ("proc", 0o555), ("sys", 0o555), ("run", 0o755), ("tmp", 0o1777))
_IN_USE = ((b"dev", b"dev/"), (b"proc", b"proc/"))
_WANTED = frozenset((*TAGS, Tag.FILEUSERNAME, Tag.FILEGROUPNAME))
_ROOT = ("root", "root")


class Unsuited(Exception):
    """These packages must be installed by rpm itself. The message says why."""


class _Placed(NamedTuple):
    """An entry of the tree under construction. source: the number of the package whose tree has
    it. path: its path there. owners: the names of its user and its group.
    """

    entry: Entry
    source: int
    path: bytes
    owners: tuple[str, str]


_Found = dict[bytes, _Placed]


def compose(packages: Sequence[Path], tree: Path, epoch: int, *, documents: bool = True) -> Archive:
    """Make a directory with the content of packages, and return its archive.

    packages: results of `unpack_package`; their order does not matter. epoch: seconds; nothing is
    newer, and every directory has this time. documents: also what is marked as documentation. Call
    `namespace.enter()` before. Raises Unsuited.
    """
    require_suited(packages)
    ordered = [place for _, place in sorted((Facts.load(each).nevra, each) for each in packages)]
    found = _with_parents(_found(ordered, documents))
    numbers = _numbers(ordered, found)
    placed = [found[path] for path in sorted(found, key=order)]
    entries = [_owned(each, numbers, epoch) for each in placed]
    _lay(entries, placed, ordered, tree)
    return Archive(entries, (TreeSource(tree),))


def require_suited(packages: Sequence[Path]) -> None:
    """Raise Unsuited when rpm must install one of these packages itself. packages: results of
    `unpack_package`.
    """
    for facts in sorted(map(Facts.load, packages), key=lambda facts: facts.nevra):
        for reason in facts.unsuited:
            raise Unsuited(f"{facts.nevra}: {reason}")


def _found(packages: Sequence[Path], documents: bool) -> _Found:
    """What packages place, by path. Paths that lead through links to directories are resolved."""
    listed = [list(_placed_by(place, number, documents)) for number, place in enumerate(packages)]
    links = _links([each.entry for placed in listed for each in placed])
    found: _Found = {}
    for placed in listed:
        groups = {each.entry.target for each in placed if each.entry.kind is Kind.HARDLINK}
        for each in placed:
            path = links.resolved(each.path)
            if path != each.path:
                target = each.entry.target
                if each.entry.kind is Kind.HARDLINK:
                    target = links.resolved(target)
                each = each._replace(entry=replace(each.entry, path=path, target=target))
            other = found.setdefault(path, each)
            if other is not each and (each.path in groups or not _same(other, each)):
                raise Unsuited(f"several packages have {path_text(path)}, each its own")
    return found


def _links(entries: Sequence[Entry]) -> Links:
    """The links, if any of them is on the path to another entry; usually none is."""
    links = {each.path: each.target for each in entries if each.kind is Kind.SYMLINK}
    ways: set[bytes] = set()
    for entry in entries:
        parent = entry.parent
        while parent and parent not in ways:
            ways.add(parent)
            parent = parent.rpartition(b"/")[0]
    return Links(links.items() if links.keys() & ways else ())


def _placed_by(place: Path, number: int, documents: bool) -> Iterator[_Placed]:
    """What a package places, in canonical order."""
    header, _ = parse((place / HEADER).read_bytes(), 0, _WANTED)
    users, groups = header.texts(Tag.FILEUSERNAME), header.texts(Tag.FILEGROUPNAME)
    owners: dict[bytes, tuple[str, str]] = {}
    absent: set[bytes] = set()
    listed = HeaderFiles.of(header)
    states = listed.states(documents)
    if any(states) or {*users, *groups} != {"root"}:
        paths = [os.fsencode(path.lstrip("/")) for path in listed.paths]
        owners = dict(zip(paths, zip(users, groups, strict=True), strict=True))
        absent = {path for path, state in zip(paths, states, strict=True) if state != NORMAL}
    first: dict[bytes, Entry] = {}
    for entry in archive.load(place / INDEX, [place / TREE]):
        if entry.path in absent or _is_in_use(entry):
            continue
        if entry.kind is Kind.HARDLINK:
            leader = first.get(entry.target)
            if leader is None:  # it was left out: the next name takes its place
                made = replace(entry, kind=Kind.FILE, target=b"")
                first[entry.target] = entry = made
            else:
                entry = linked(entry.path, leader)
        elif entry.kind is Kind.FILE:
            first[entry.path] = entry
        yield _Placed(entry, number, entry.path, owners.get(entry.path, _ROOT))


def _is_in_use(entry: Entry) -> bool:
    for place, below in _IN_USE:
        if entry.path.startswith(below):
            return True
        if entry.path == place:
            _require_directory(entry)
            return True
    return False


def _require_directory(entry: Entry) -> None:
    if entry.kind is not Kind.DIRECTORY:
        raise Unsuited(f"{path_text(entry.path)} is no directory")


def _same(one: _Placed, other: _Placed) -> bool:
    """Whether it makes no difference which of two packages brings a path (rpm's lib/rpmfi.c,
    rpmfilesCompare, which does not look at times).
    """
    if Kind.HARDLINK in (one.entry.kind, other.entry.kind) or one.owners != other.owners:
        return False
    if one.entry.kind is Kind.DIRECTORY:
        return replace(other.entry, mtime_ns=one.entry.mtime_ns) == one.entry
    return one.entry == other.entry


def _with_parents(found: _Found) -> _Found:
    """Add the directories that no package lists: owned by root, mode 0755."""
    for name, mode in (("", 0o755), *MOUNT_POINTS):
        path = name.encode()
        made = _Placed(Entry(path, Kind.DIRECTORY, mode), -1, path, _ROOT)
        _require_directory(found.setdefault(path, made).entry)
    whole: set[bytes] = {b""}
    for path in list(found):
        parent = path.rpartition(b"/")[0]
        while parent not in whole:
            whole.add(parent)
            made = _Placed(Entry(parent, Kind.DIRECTORY, 0o755), -1, parent, _ROOT)
            _require_directory(found.setdefault(parent, made).entry)
            parent = parent.rpartition(b"/")[0]
    return found


def _numbers(packages: Sequence[Path], found: _Found) -> list[dict[str, int]]:
    """The numbers of users, and those of groups, in the account files of the packages."""
    both = []
    for path in (b"etc/passwd", b"etc/group"):
        numbers: dict[str, int] = {}
        placed = found.get(path)
        if placed is not None and placed.entry.kind is Kind.FILE:
            source = TreeSource(packages[placed.source] / TREE)
            with source.open(placed.path) as file:
                for line in file.read().decode("utf-8", "surrogateescape").splitlines():
                    fields = line.split(":")
                    if len(fields) > 2 and _is_number(fields[2]):
                        numbers.setdefault(fields[0], int(fields[2]))
        both.append({**numbers, "root": 0})
    return both


def _is_number(text: str) -> bool:
    """Whether it is the number of a user or group that the namespace has: others rpm refuses."""
    return bool(re.fullmatch("[0-9]{1,9}", text)) and int(text) < MAPPED_IDS


def _owned(placed: _Placed, numbers: Sequence[Mapping[str, int]], epoch: int) -> Entry:
    """The entry with the numbers of its owners, and no later than the epoch."""
    entry, owners = placed.entry, placed.owners
    limit = epoch * 1_000_000_000
    mtime = limit if entry.kind is Kind.DIRECTORY else clamped(entry.mtime_ns, epoch)
    if owners != _ROOT:
        for name, known in zip(owners, numbers, strict=True):
            if name not in known:
                raise Unsuited(
                    f"{path_text(entry.path)} belongs to {name}, which no package defines"
                )
        uid, gid = (known[name] for name, known in zip(owners, numbers, strict=True))
        return replace(entry, uid=uid, gid=gid, mtime_ns=mtime)
    return entry if mtime == entry.mtime_ns else replace(entry, mtime_ns=mtime)


def _lay(
    entries: Sequence[Entry], placed: Sequence[_Placed], packages: Sequence[Path], into: Path
) -> None:
    """Create all entries of a tree, in canonical order."""
    files.make_root(into)
    root = os.fsencode(into)
    trees = [_PackageTree(place) for place in packages]
    for entry, each in zip(entries, placed, strict=True):
        stopping.check()
        path = root + b"/" + entry.path
        if entry.kind is Kind.DIRECTORY:
            if entry.path:
                os.mkdir(path, 0o700)  # noqa: PTH102 (bytes)
        elif entry.kind is Kind.HARDLINK:
            os.link(root + b"/" + entry.target, path, follow_symlinks=False)
        else:
            alike = (entry.uid, entry.gid, entry.mtime_ns) == (0, 0, each.entry.mtime_ns)
            trees[each.source].place(each, path, entry, link=alike)
    for package in trees:
        package.renew_seal()
    for entry in reversed(entries):
        if entry.kind is Kind.DIRECTORY:
            _dress(root + b"/" + entry.path if entry.path else root, entry)


class _PackageTree:
    """The tree of a package whose files are linked into another tree.

    Each file is proved to be what it was when the package was unpacked: it has not been touched
    since the package's result was sealed, or it is read. A new link touches a file, so the seal is
    renewed afterwards.
    """

    def __init__(self, place: Path) -> None:
        self._place = place
        self._root = os.fsencode(place / TREE) + b"/"
        self._sealed_at = seal.sealed_at(place)
        self._left = Facts.load(place).files

    def place(self, placed: _Placed, path: bytes, entry: Entry, *, link: bool) -> None:
        """Give a file another name, or make a copy with the attributes of an entry."""
        source = self._root + placed.path
        if entry.kind is Kind.FILE:
            self._require_whole(placed.entry, source)
        if link:
            try:
                os.link(source, path, follow_symlinks=False)
                return
            except OSError as error:
                # Another file system, or more names than this one gives to a file.
                if error.errno not in (errno.EXDEV, errno.EMLINK, errno.EPERM):
                    raise
        _copy(source, path, entry)

    def _require_whole(self, entry: Entry, source: bytes) -> None:
        self._left -= 1
        if os.lstat(source).st_ctime_ns > self._sealed_at:
            require_digest(entry, files.digest(Path(os.fsdecode(source))))

    def renew_seal(self) -> None:
        if not self._left:  # else not all was looked at
            seal.renew(self._place)


def discard(tree: Path, packages: Sequence[Path]) -> None:
    """Remove a tree that was composed of packages: their files lose a link and are otherwise
    unchanged.
    """
    untouched = [place for place in packages if _is_untouched(place)]
    removal.remove_tree(tree)
    for place in untouched:
        seal.renew(place)


def _is_untouched(place: Path) -> bool:
    sealed_at, root = seal.sealed_at(place), os.fsencode(place / TREE) + b"/"
    listed = archive.load(place / INDEX, [place / TREE])
    return all(
        os.lstat(root + entry.path).st_ctime_ns <= sealed_at
        for entry in listed
        if entry.kind is Kind.FILE
    )


def _copy(source: bytes, path: bytes, entry: Entry) -> None:
    if entry.kind is Kind.SYMLINK:
        os.symlink(entry.target, path)  # noqa: PTH211 (bytes)
    elif entry.kind is Kind.FIFO:
        os.mkfifo(path, 0o600)
    else:
        files.copy_sparse(Path(os.fsdecode(source)), Path(os.fsdecode(path)))
    _dress(path, entry)


def _dress(path: bytes, entry: Entry) -> None:
    """Set owner, mode, attributes and time, in this order: setting one may undo those after it."""
    os.chown(path, entry.uid, entry.gid, follow_symlinks=False)
    if entry.kind is not Kind.SYMLINK:
        os.chmod(path, entry.mode)  # noqa: PTH101 (bytes)
    for name, value in entry.xattrs:
        os.setxattr(path, name, value, follow_symlinks=False)
    os.utime(path, ns=(entry.mtime_ns, entry.mtime_ns), follow_symlinks=False)
