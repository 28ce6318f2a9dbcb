"""From the inodes of a mapped image to the entries of an archive: paths, hard links, kinds, data.

What a reader knows of its format comes in as functions from an inode's number.
"""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO, Protocol, TypeVar

from dockyard.archive import Entry, Kind
from dockyard.archive.archive import linked
from dockyard.archive.entry import KIND_OF_FORMAT, order
from dockyard.filesystems.image import MappedImage
from dockyard.filesystems.pieces import opened


class Inode(Protocol):
    """What the inodes of all formats have."""

    @property
    def mode(self) -> int: ...
    @property
    def size(self) -> int: ...
    @property
    def links(self) -> int: ...


_LEAST_OF_A_NAME = 8  # bytes that every format needs for one
_PATHS_FOR_EACH_BYTE, _PATHS_BESIDES = 4, 64 << 20

_Inode = TypeVar("_Inode", bound=Inode)


@dataclass(frozen=True, slots=True)
class InodeSource:
    """The data of the files of an image, which stays mapped."""

    numbers: Mapping[bytes, int]
    pieces: Callable[[int], Iterator[bytes]]

    def open(self, path: bytes) -> BinaryIO:
        return opened(self.pieces(self.numbers[path]))


def numbers_by_path(
    image: MappedImage, root: int, names: Callable[[int], Iterable[tuple[bytes, int, bool]]]
) -> dict[bytes, int]:
    """For each path its inode number, in canonical order.

    names: of what is in a directory the name, the inode number, and whether it is a directory.
    """
    found = {b"": root}
    pending = [(b"", root)]
    visited = {root}
    most_names = len(image.data) // _LEAST_OF_A_NAME
    left = _PATHS_BESIDES + _PATHS_FOR_EACH_BYTE * len(image.data)
    while pending:
        path, number = pending.pop()
        for name, child, is_directory in names(number):
            if name in (b"", b".", b"..") or b"/" in name or b"\0" in name:
                raise image.broken(f"directory {number} has an entry that is not a name")
            below = path + b"/" + name if path else name
            if below in found:
                raise image.broken(f"directory {number} has the same name twice")
            found[below] = child
            left -= len(below)
            if left < 0 or len(found) > most_names:
                raise image.broken("it has more names than it can hold")
            if is_directory:
                if child in visited:
                    raise image.broken(f"directory {child} has two names")
                visited.add(child)
                pending.append((below, child))
    return dict(sorted(found.items(), key=lambda pair: order(pair[0])))


def entries_of(
    numbers: Mapping[bytes, int],
    inode: Callable[[int], _Inode],
    entry: Callable[[bytes, _Inode], Entry],
) -> list[Entry]:
    """The entries of all paths; further names of an inode are hard links to its first."""
    found: list[Entry] = []
    firsts: dict[int, Entry] = {}
    for path, number in numbers.items():
        first = firsts.get(number)
        if first is not None:
            found.append(linked(path, first))
            continue
        one = inode(number)
        made = entry(path, one)
        if made.kind is not Kind.DIRECTORY and one.links > 1:
            firsts[number] = made
        found.append(made)
    return found


def kind_of(
    image: MappedImage, inode: Inode, called: str = "an inode", *, is_packed: bool = False
) -> Kind:
    """The kind of an inode whose size can be; that of packed data is the unpacker's to judge."""
    kind = KIND_OF_FORMAT.get(stat.S_IFMT(inode.mode))
    if kind is None:
        raise image.broken(f"{called} is of an unknown kind")
    if not is_packed and not image.may_hold(inode.size, kind is Kind.FILE):
        raise image.broken(f"{called} is impossibly large")
    return kind
