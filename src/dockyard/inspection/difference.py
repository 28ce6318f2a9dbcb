"""What changed from one image to another: for people and for machines.

Two images are *binary-equal* where their disks have the same bytes, *equal in content* where every
file has the same attributes and data (times aside, unless asked for) and partitions, boot and all
other facts are the same, and *different* else.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from dockyard.archive import Entry, Kind
from dockyard.host import stopping
from dockyard.host.files import data_ranges
from dockyard.inspection.image import Inspected, InspectedPartition
from dockyard.inspection.lines import changed_lines
from dockyard.inspection.packages import InstalledPackage
from dockyard.model.family import ESP_MOUNT

_PIECE = 1 << 20  # bytes
_MOST_TEXT = 1 << 20  # bytes of a file whose lines are compared
_SETTINGS = ("/etc/", "/usr/etc/", "/boot/loader/", f"{ESP_MOUNT}/loader/")
# Their lines have hashes of passwords, which are in no log.
_SECRET = frozenset(
    f"/etc/{name}{suffix}" for name in ("shadow", "gshadow") for suffix in ("", "-")
)
_PRIVATE = b"PRIVATE KEY"
_READ_BY_ALL = 0o004
_ATTRIBUTES = (
    ("kind", "kind"),
    ("mode", "mode"),
    ("uid", "owner"),
    ("gid", "group"),
    ("mtime_ns", "time"),
    ("target", "target"),
    ("rdev", "device"),
    ("xattrs", "extended attributes"),
)
_HELD = (
    ("type", "type"),
    ("label", "label"),
    ("size", "size"),
    ("filesystem", "file system"),
    ("uuid", "UUID"),
    ("name", "file system's label"),
    ("mount", "mount point"),
)
_BOOT_CODE = 440  # bytes of the first sector before the disk's signature (UEFI 2.10, 5.2.1)
_SWAP = "swap"  # what it holds means nothing to a system that starts


class Verdict(StrEnum):
    """How alike two images are."""

    BINARY_EQUAL = "binary-equal"
    EQUAL_IN_CONTENT = "equal in content"
    DIFFERENT = "different"


@dataclass(frozen=True, slots=True)
class Changed:
    """Something that is on both sides and not the same. before, after: as text."""

    name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class ChangedFile:
    """A path with other attributes. what: their names; `content` is one of them. lines: a unified
    diff of a text file of settings. grown: bytes.
    """

    path: str
    what: tuple[str, ...]
    lines: tuple[str, ...]
    grown: int


@dataclass(frozen=True, slots=True)
class Difference:
    """added, removed: paths, with their sizes in bytes. packages_…: by name and architecture.
    facts: of the disk, its partitions, the distribution, boot, accounts, units, SELinux.
    """

    verdict: Verdict
    facts: tuple[Changed, ...]
    packages_added: tuple[InstalledPackage, ...]
    packages_removed: tuple[InstalledPackage, ...]
    packages_changed: tuple[Changed, ...]
    added: Mapping[str, int]
    removed: Mapping[str, int]
    changed: tuple[ChangedFile, ...]

    @property
    def grown(self) -> int:
        """By how many bytes of data the second is larger."""
        files = sum(each.grown for each in self.changed)
        return sum(self.added.values()) - sum(self.removed.values()) + files


def compare(one: Inspected, two: Inspected, *, times: bool = False) -> Difference:
    """What changed from one image to the other. times: times of files count."""
    facts = tuple(_facts(one, two))
    before, after = dict(one.tree.entries()), dict(two.tree.entries())
    added = {path: _size(after[path]) for path in after if path not in before}
    removed = {path: _size(before[path]) for path in before if path not in after}
    changed = tuple(_changed_files(one, two, before, after, times))
    gone, come, moved = _packages(one.database.packages, two.database.packages)
    verdict = Verdict.DIFFERENT
    if not (facts or added or removed or changed):
        verdict = Verdict.BINARY_EQUAL if same_bytes(one, two) else Verdict.EQUAL_IN_CONTENT
    return Difference(verdict, facts, come, gone, moved, added, removed, changed)


def same_bytes(one: Inspected, two: Inspected) -> bool:
    """Whether the disks of two images have the same bytes, whatever they come in."""
    return one.size == two.size and _same_bytes(one, two, 0, one.size)


def _same_bytes(one: Inspected, two: Inspected, start: int, end: int) -> bool:
    with one.disk.open("rb") as first, two.disk.open("rb") as second:
        descriptors = first.fileno(), second.fileno()
        return all(
            os.pread(descriptors[0], length, at) == os.pread(descriptors[1], length, at)
            for at, length in _written(descriptors, start, end)
        )


def _written(descriptors: Iterable[int], start: int, end: int) -> Iterator[tuple[int, int]]:
    """Pieces of disks that are not a hole in all of them: where, and how long."""
    pieces: set[int] = set()
    for descriptor in descriptors:
        for begin, stop in data_ranges(descriptor, end, start):
            pieces.update(range(begin // _PIECE, -(-stop // _PIECE)))
    for piece in sorted(pieces):
        stopping.check()
        at = max(piece * _PIECE, start)
        yield at, min((piece + 1) * _PIECE, end) - at


def _size(entry: Entry) -> int:
    return entry.size if entry.kind is Kind.FILE else 0


def _facts(one: Inspected, two: Inspected) -> Iterator[Changed]:
    for name, before, after in (
        ("distribution", one.distribution.title, two.distribution.title),
        ("architecture", _text(one.architecture), _text(two.architecture)),
        ("host name", one.hostname, two.hostname),
        ("boot loaders", ", ".join(one.boot.loaders), ", ".join(two.boot.loaders)),
        ("kernels", ", ".join(one.boot.kernels), ", ".join(two.boot.kernels)),
        ("default target", one.services.default_target, two.services.default_target),
        ("SELinux", one.selinux.mode, two.selinux.mode),
    ):
        if before != after:
            yield Changed(name, before, after)
    yield from _by_name(
        "partition",
        {f"{each.number} {name}": text for each in one.partitions for name, text in _held(each)},
        {f"{each.number} {name}": text for each in two.partitions for name, text in _held(each)},
    )
    yield from _unread(one, two)
    yield from _by_name(
        "boot entry",
        {each.path: f"{each.kernel} {each.command_line}" for each in one.boot.entries},
        {each.path: f"{each.kernel} {each.command_line}" for each in two.boot.entries},
    )
    yield from _by_name("user", _users(one), _users(two))
    for name, before_units, after_units in (
        ("enabled unit", one.services.enabled, two.services.enabled),
        ("masked unit", one.services.masked, two.services.masked),
    ):
        units = (dict.fromkeys(each, "yes") for each in (before_units, after_units))
        yield from _by_name(name, *units)


def _unread(one: Inspected, two: Inspected) -> Iterator[Changed]:
    """What no file is: code of the first sector, and partitions that are not read."""
    parts = {"boot code": (0, _BOOT_CODE)} if one.table and two.table else {}
    others = {each.number: each for each in two.partitions}
    for each in one.partitions:
        other = others.get(each.number)
        unread = not each.files and each.filesystem != _SWAP
        if other and unread and (other.start, other.size) == (each.start, each.size):
            parts[f"partition {each.number} bytes"] = (each.start, each.size)
    for name, (start, size) in parts.items():
        if not _same_bytes(one, two, start, start + size):
            yield Changed(name, "one", "another")


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _held(each: InspectedPartition) -> Iterator[tuple[str, str]]:
    """What there is to compare of a partition, by the field's name."""
    for field, name in _HELD:
        if value := getattr(each, field):
            yield name, str(value)
    if each.attributes:
        yield "attributes", f"{each.attributes:#018x}"


def _users(image: Inspected) -> dict[str, str]:
    return {
        user.name: f"uid {user.uid}, password {user.password}, {user.keys} SSH keys, {user.shell}"
        for user in image.users
    }


def _by_name(what: str, before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[Changed]:
    for name in dict.fromkeys((*before, *after)):
        if before.get(name) != after.get(name):
            yield Changed(f"{what} {name}", before.get(name, ""), after.get(name, ""))


def _packages(
    one: Sequence[InstalledPackage], two: Sequence[InstalledPackage]
) -> tuple[tuple[InstalledPackage, ...], tuple[InstalledPackage, ...], tuple[Changed, ...]]:
    """Packages that are gone, that came, and whose version changed. Of a name that is installed
    several times, such as a kernel's, each version is one of its own.
    """
    gone = {each: _named(each) for each in sorted(set(one) - set(two))}
    come = {each: _named(each) for each in sorted(set(two) - set(one))}
    before, after = Counter(gone.values()), Counter(come.values())
    newer = {name: each for each, name in come.items() if before[name] == after[name] == 1}
    moved = []
    for package, name in tuple(gone.items()):
        if name in newer:
            moved.append(Changed(name, package.version, newer[name].version))
            del gone[package], come[newer[name]]
    return tuple(gone), tuple(come), tuple(moved)


def _named(package: InstalledPackage) -> str:
    return f"{package.name}.{package.architecture}"


def _changed_files(
    one: Inspected,
    two: Inspected,
    before: Mapping[str, Entry],
    after: Mapping[str, Entry],
    times: bool,
) -> Iterator[ChangedFile]:
    for path, old in before.items():
        new = after.get(path)
        if new is None or new == old:
            continue
        what = [
            shown
            for name, shown in _ATTRIBUTES
            if getattr(old, name) != getattr(new, name) and (times or name != "mtime_ns")
        ]
        content = old.digest != new.digest or old.size != new.size
        lines: tuple[str, ...] = ()
        if content:
            what.append("content")
            if (
                path.startswith(_SETTINGS)
                and path not in _SECRET
                and Kind.FILE in (old.kind, new.kind)
            ):
                lines = _lines(one, two, path)
        if what:
            yield ChangedFile(path, tuple(what), lines, _size(new) - _size(old))


def _lines(one: Inspected, two: Inspected, path: str) -> tuple[str, ...]:
    """What changed in a text; nothing of one that not every user of both images may read, such as
    a file with the password of a network.
    """
    texts = []
    for image in (one, two):
        entry = image.tree.entry(path)  # where a link leads
        if entry is None or not entry.mode & _READ_BY_ALL:
            return ()
        data = image.tree.whole(path, _MOST_TEXT)
        if data is None or b"\0" in data or _PRIVATE in data:
            return ()
        texts.append(data.decode(errors="replace").splitlines())
    return changed_lines(*texts)
