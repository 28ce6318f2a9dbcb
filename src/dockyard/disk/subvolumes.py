"""Where the subvolumes of a btrfs file system are seen in the tree of an image.

One is where it is mounted; else, inside another one, where that one shows it. What only is read
and is mounted nowhere, such as a snapshot, is not part of the tree: it is kept as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Placeable(Protocol):
    """What is known of a subvolume. path: from the outermost one, whose path is empty."""

    @property
    def path(self) -> str: ...
    @property
    def read_only(self) -> bool: ...


def parent_of(path: str, paths: Sequence[str]) -> str:
    """The path of the innermost subvolume that one lies in, of those that are given; empty for the
    outermost one.
    """
    above = [each for each in paths if each and path.startswith(each + "/")]
    return max(above, key=len, default="")


def places(known: Sequence[Placeable], mounted: dict[str, str]) -> dict[str, str]:
    """For each subvolume that is part of the tree, by its path, where it is there.

    mounted: the absolute paths of the mounts of subvolumes, by the paths of these.
    """
    paths = [one.path for one in known]
    found = dict(mounted)
    for one in sorted(known, key=lambda each: len(each.path)):
        above = parent_of(one.path, paths)
        if one.path in found or above not in found or one.read_only:
            continue
        inside = one.path[len(above) :].strip("/")
        found[one.path] = f"{found[above].rstrip('/')}/{inside}"
    return found
