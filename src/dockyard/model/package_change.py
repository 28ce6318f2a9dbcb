"""What changes among the packages of an image that exists."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Act(StrEnum):
    """What happens to a package. `beside`: installed next to another version of it, which stays."""

    INSTALL = "install"
    BESIDE = "beside"
    UPDATE = "update"
    DOWNGRADE = "downgrade"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True, order=True)
class PackageChange:
    """A package that comes, goes, or is there in another version afterwards.

    before, after: `[epoch:]version-release`; "" where it is not there. size: bytes that its files
    take more than before, as the packages themselves say. asked: whether it was named, rather than
    following from what was. why: in words.
    """

    name: str
    arch: str
    act: Act
    before: str = ""
    after: str = ""
    size: int = 0
    asked: bool = False
    why: str = ""


def growth(changes: Iterable[PackageChange]) -> int:
    """Bytes that the files of all packages take more than before; negative where it is less."""
    return sum(each.size for each in changes)
