"""What an image adds to one that exists, cut out of its root: what is new or changed in the places
that an extension may have.

An extension lies over the root that it is for: it cannot take anything away, and has nothing
outside its places. What is lost so is an error, by path, unless the image file says that it is left
out. What a system keeps of itself, such as the database of its packages, is the base's and is
never in an extension.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from dockyard.archive import Archive, Entry, Kind
from dockyard.archive.entry import XATTR_SELINUX, order, path_text
from dockyard.errors import Problem, Problems

_SHOWN = 10
# Of the package managers, of the loader of programs, caches, and what tells which system it is.
_OF_THE_BASE = (
    b"boot", b"dev", b"efi", b"etc/ld.so.cache", b"etc/os-release", b"etc/image-customizer-release",
    b"proc", b"run", b"sys", b"tmp", b"usr/lib/os-release", b"usr/lib/sysimage",
    b"usr/share/image-customizer", b"var/cache", b"var/lib/apt", b"var/lib/dnf", b"var/lib/dpkg",
    b"var/lib/rpm", b"var/lib/tdnf", b"var/log", b"var/tmp",
)  # fmt: skip


def added(
    root: Archive, base: Archive, places: Sequence[bytes], left_out: Iterable[bytes]
) -> Archive:
    """What the root has in some places that the base has not, or has otherwise, with the
    directories above. Raises DockyardError with all that an extension cannot express.
    """
    before = {entry.path: _compared(entry) for entry in base}
    left = (*_OF_THE_BASE, *left_out)
    found = [
        entry
        for entry in root
        if entry.path
        and before.get(entry.path) != _compared(entry)
        and not _within(entry.path, left)
    ]
    gone = [path for path in before if path not in root.positions and not _within(path, left)]
    problems = Problems()
    outside = [entry.path for entry in found if not _within(entry.path, places)]
    outside += [path for path in gone if not _within(path, places)]
    if outside:
        problems.extend([_outside(outside, places)])
    if removed := [path for path in gone if _within(path, places)]:
        problems.extend([_removed(removed)])
    if not found and not outside:
        problems.extend([_empty(places)])
    problems.raise_any()
    return _cut(root, {entry.path for entry in found})


def _compared(entry: Entry) -> Entry:
    """What counts of an entry: a touched file is no other one, and labels follow the policy."""
    kept = tuple(pair for pair in entry.xattrs if pair[0] != XATTR_SELINUX)
    return replace(entry, mtime_ns=0, xattrs=kept)


def _within(path: bytes, places: Iterable[bytes]) -> bool:
    return any(path == place or path.startswith(place + b"/") for place in places)


def _cut(root: Archive, wanted: set[bytes]) -> Archive:
    """The archive of some paths and the directories above. A link to what stays behind becomes a
    file of its own.
    """
    kept = {parent for path in wanted for parent in _parents(path)} | wanted
    entries: list[Entry] = []
    source_of: list[int] = []
    first: dict[bytes, bytes] = {}
    for entry, source in zip(root.entries, root.source_of, strict=True):
        if entry.path not in kept:
            continue
        if entry.kind is Kind.HARDLINK:
            known = first.setdefault(entry.target, entry.path)
            original = root.entries[root.positions[entry.target]]
            entry = (
                replace(original, path=entry.path)
                if known == entry.path
                else replace(entry, target=known)
            )
        elif entry.kind is not Kind.DIRECTORY:
            first[entry.path] = entry.path
        entries.append(entry)
        source_of.append(source)
    return Archive(entries, root.sources, source_of)


def _parents(path: bytes) -> Iterable[bytes]:
    while path:
        path = path.rpartition(b"/")[0]
        yield path


def _outside(paths: Sequence[bytes], places: Sequence[bytes]) -> Problem:
    tops = sorted({b"/".join(path.split(b"/")[:2]) for path in paths})
    named = ", ".join(path_text(top) for top in tops[:_SHOWN])
    return Problem(
        "formats.extension-outside",
        f"{len(paths)} changes lie where the extension has nothing",
        path_text(paths[0]),
        why=f"it has what lies below {' and '.join(path_text(place) for place in places)} alone",
        fix=f"say what may be missing, with output.image.extension.leaveOut: [{named}]",
        excerpt=tuple(path_text(path) for path in sorted(paths)[:_SHOWN]),
    )


def _removed(paths: Sequence[bytes]) -> Problem:
    return Problem(
        "formats.extension-removes",
        f"{len(paths)} names of the base are gone, and an extension can take nothing away",
        path_text(paths[0]),
        why="it is laid over the root, whose files show through",
        fix="keep them, or write another format",
        excerpt=tuple(path_text(path) for path in sorted(paths)[:_SHOWN]),
    )


def _empty(places: Sequence[bytes]) -> Problem:
    return Problem(
        "formats.extension-empty",
        f"nothing is new or changed below {' and '.join(path_text(place) for place in places)}",
        fix="add packages or files to the image file",
    )


def with_file(archive: Archive, entry: Entry, text: bytes) -> Archive:
    """An archive with one file more, or another in its place."""
    made = Archive.from_entries([entry], {entry.path: text})
    kept = [
        (each, source)
        for each, source in zip(archive.entries, archive.source_of, strict=True)
        if each.path != entry.path
    ]
    kept += [
        (each, len(archive.sources))
        for each in made
        if each.path == entry.path or archive.find(each.path) is None
    ]
    kept.sort(key=lambda pair: order(pair[0].path))
    sources = (*archive.sources, *made.sources)
    return Archive([each for each, _ in kept], sources, [source for _, source in kept])
