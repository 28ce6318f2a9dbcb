"""What of an image that exists decides whether its tree fits another disk, and what that mounts."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dockyard.archive import Kind
from dockyard.archive.entry import path_text

if TYPE_CHECKING:
    from dockyard.inspection.tree import Tree

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
    """

    fstab: str = ""
    sizes: Mapping[str, int] = field(default_factory=dict)
    can_grow: bool = False
    covered: Mapping[str, str] = field(default_factory=dict)

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
    )


def _covered(tree: Tree) -> Iterator[tuple[str, str]]:
    for mounted in tree.mounted:
        if not mounted.at:
            continue
        outer = [each for each in tree.mounted if mounted.at.startswith(_prefix(each.at))]
        above = max((each for each in outer if each is not mounted), key=lambda each: len(each.at))
        below = mounted.at[len(_prefix(above.at)) :] + b"/"
        for entry in above.archive:
            if entry.path.startswith(below):
                yield "/" + os.fsdecode(mounted.at), path_text(_prefix(above.at) + entry.path)
                break


def _sizes(tree: Tree) -> dict[str, int]:
    found: dict[bytes, int] = {b"": 0}
    places = [each.at for each in tree.mounted]
    for mounted in tree.mounted:
        inner = [at for at in places if at != mounted.at and at.startswith(_prefix(mounted.at))]
        for entry in mounted.archive:
            if entry.kind is not Kind.FILE:
                continue
            path = _prefix(mounted.at) + entry.path
            if any(path.startswith(at + b"/") for at in inner):
                continue
            size = -(-entry.size // _BLOCK) * _BLOCK
            found[b""] += size
            parts = path.split(b"/")
            for count in range(1, min(len(parts), _DEEPEST + 1)):
                above = b"/".join(parts[:count])
                found[above] = found.get(above, 0) + size
    return {"/" + path.decode(errors="surrogateescape"): size for path, size in found.items()}


def _prefix(at: bytes) -> bytes:
    return at + b"/" if at else b""
