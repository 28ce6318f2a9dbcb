"""What of an image that exists decides whether its tree fits another disk, and what that mounts."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from dockyard.archive import Entry, Kind
from dockyard.archive.entry import path_text
from dockyard.filesystems.limits import Unheld

if TYPE_CHECKING:
    from dockyard.inspection.tree import Mounted, Tree

_BLOCK = 4096
_DEEPEST = 3  # directories whose sizes are kept: /var/lib/containers, not what is below it
_LEAST = 1 << 20  # bytes; smaller ones are not kept
_REPART, _GROWFS = "/usr/bin/systemd-repart", "/usr/lib/systemd/systemd-growfs"


@dataclass(frozen=True, slots=True)
class ExistingStorage:
    """fstab: the text of /etc/fstab. sizes: bytes of the files below directories, in whole blocks,
    by their absolute paths; those that are deep or small are not listed. can_grow: whether the
    system has what grows its last partition at boot. covered: what lies below mount points in the
    file systems above them, where nobody sees it: the first name of each, by the mount point.
    unheld: what of the tree the file systems of some kinds cannot hold. beneath: the directories of
    mount points as they are in the file systems above them, by their paths in the tree.
    """

    fstab: str = ""
    sizes: Mapping[str, int] = field(default_factory=dict)
    can_grow: bool = False
    covered: Mapping[str, str] = field(default_factory=dict)
    unheld: tuple[Unheld, ...] = ()
    beneath: tuple[Entry, ...] = ()

    def size(self, at: str, without: tuple[str, ...] = ()) -> int:
        """Bytes of the files below a directory, as far as they are known. without: places below it
        that are other file systems.
        """
        inside = [path for path in without if path != at and path.startswith(_slashed(at))]
        # What is below a place that is left out itself is left out with it.
        outer = [path for path in inside if not any(path.startswith(f"{each}/") for each in inside)]
        return self.sizes.get(at, 0) - sum(self.sizes.get(path, 0) for path in outer)


def _slashed(at: str) -> str:
    return at if at.endswith("/") else f"{at}/"


def read_storage(tree: Tree) -> ExistingStorage:
    """What is known of a tree."""
    return ExistingStorage(
        fstab=tree.text("/etc/fstab") or "",
        sizes={path: size for path, size in _sizes(tree).items() if size >= _LEAST or path == "/"},
        can_grow=bool(tree.entry(_REPART) and tree.entry(_GROWFS)),
        covered=dict(_covered(tree)),
        unheld=tuple(_unheld(tree)),
        beneath=tuple(_beneath(tree)),
    )


def _covered(tree: Tree) -> Iterator[tuple[str, str]]:
    for mounted, above in _mounted_on(tree):
        below = mounted.at[len(_prefix(above.at)) :] + b"/"
        for entry in above.archive:
            if entry.path.startswith(below):
                yield "/" + os.fsdecode(mounted.at), path_text(_prefix(above.at) + entry.path)
                break


def _beneath(tree: Tree) -> Iterator[Entry]:
    for mounted, above in _mounted_on(tree):
        entry = above.archive.find(mounted.at[len(_prefix(above.at)) :])
        if entry is not None:  # systemd makes one that is not there
            yield replace(entry, path=mounted.at)


def _mounted_on(tree: Tree) -> Iterator[tuple[Mounted, Mounted]]:
    """What is mounted in a tree, each with the file system that it is mounted on."""
    for mounted in tree.mounted:
        if not mounted.at:
            continue
        outer = [each for each in tree.mounted if mounted.at.startswith(_prefix(each.at))]
        above = max((each for each in outer if each is not mounted), key=lambda each: len(each.at))
        yield mounted, above


def _unheld(tree: Tree) -> Iterator[Unheld]:
    from dockyard.filesystems.unheld import unheld  # all kinds: only where an image is read

    for mounted, entries in _seen(tree):
        yield from unheld(entries, mounted.at)


def _seen(tree: Tree) -> Iterator[tuple[Mounted, Iterator[Entry]]]:
    """The file systems of a tree, with what of each is seen in it."""
    places = [each.at for each in tree.mounted]
    for mounted in tree.mounted:
        prefix = _prefix(mounted.at)
        inner = [at[len(prefix) :] for at in places if at != mounted.at and at.startswith(prefix)]
        yield mounted, _outside(mounted.archive, inner)


def _outside(entries: Iterable[Entry], inner: Sequence[bytes]) -> Iterator[Entry]:
    for entry in entries:
        if not any(entry.path == at or entry.path.startswith(at + b"/") for at in inner):
            yield entry


def _sizes(tree: Tree) -> dict[str, int]:
    found: dict[bytes, int] = {b"": 0}
    for mounted, entries in _seen(tree):
        for entry in entries:
            if entry.kind is not Kind.FILE:
                continue
            path = _prefix(mounted.at) + entry.path
            size = -(-entry.size // _BLOCK) * _BLOCK
            found[b""] += size
            parts = path.split(b"/")
            for count in range(1, min(len(parts), _DEEPEST + 1)):
                above = b"/".join(parts[:count])
                found[above] = found.get(above, 0) + size
    return {"/" + path.decode(errors="surrogateescape"): size for path, size in found.items()}


def _prefix(at: bytes) -> bytes:
    return at + b"/" if at else b""
