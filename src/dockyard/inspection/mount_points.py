"""Whether a file system of an image can be put where the image says that it is mounted.

mount(8) follows links and `..` inside the system that runs. Here a path is what it says, for what
is read becomes a tree on this host: a place that is reached in any other way than from directory to
directory is none.
"""

from __future__ import annotations

from collections.abc import Iterable

from dockyard.archive import Archive, Kind
from dockyard.errors import Problem, Severity
from dockyard.inspection.tree import Mounted, Tree


def put_together(
    wanted: Iterable[tuple[str, int, Archive]],
) -> tuple[list[Mounted], dict[tuple[int, str], Problem]]:
    """File systems in their places; and what is wrong with the others, by partition and place.

    wanted: for each where it is to be, the number of its partition, and what it holds.
    """
    trees: list[Mounted] = []
    misplaced: dict[tuple[int, str], Problem] = {}
    for at, number, archive in sorted(wanted, key=lambda each: each[0]):
        inside = at.strip("/").encode(errors="surrogateescape")
        why = "" if not trees else in_the_way(Tree(trees), at)
        if not why and any(inside == each.at for each in trees):
            why = "another file system is mounted there"
        if why:
            misplaced[number, at] = _not_mounted(number, at, why)
        else:
            trees.append(Mounted(inside, archive))
    return trees, misplaced


def in_the_way(tree: Tree, at: str) -> str:
    """Why nothing can be mounted at a path of a tree; empty where something can.

    at: absolute, not the root. The last directory need not be there: systemd makes it.
    """
    parts = at.split("/")[1:]
    if not at.startswith("/") or any(part in ("", ".", "..") for part in parts) or "\0" in at:
        return "a mount point has no empty name, and neither . nor .. in its path"
    for number in range(1, len(parts) + 1):
        above = "/" + "/".join(parts[:number])
        if tree.link(above) is not None:
            return f"{above} is a symbolic link"
        entry = tree.entry(above)
        if entry is None and number == len(parts):
            return ""
        if entry is None or entry.kind is not Kind.DIRECTORY:
            return f"{above} is not a directory"
    return ""


def _not_mounted(number: int, at: str, why: str) -> Problem:
    """The remark about a file system that has no place in the tree."""
    return Problem(
        "image.mount-point",
        f"what is to be mounted at {at} is not shown there",
        f"partition {number}",
        f"it is to be mounted at {at}, and {why}",
        "name a directory in the image's /etc/fstab, as it is without links",
        severity=Severity.WARNING,
    )
