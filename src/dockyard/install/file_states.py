"""Which files of a package come into a tree, and the state that rpm's database notes of each.

Follows rpm's lib/transaction.c, skipInstallFiles, as far as its settings are ours: documents may be
left out, and then directories that nothing but documents would be in.
"""

from __future__ import annotations

import stat
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from dockyard.install.database_header import NORMAL, NOT_INSTALLED
from dockyard.packages.rpm.contents import FileFlag
from dockyard.packages.rpm.header import Header, Tag

TAGS = (
    Tag.BASENAMES,
    Tag.DIRNAMES,
    Tag.DIRINDEXES,
    Tag.FILEFLAGS,
    Tag.FILEMODES,
)


@dataclass(frozen=True, slots=True)
class HeaderFiles:
    """The files of a header: absolute paths and flags, in its order."""

    directories: tuple[str, ...]
    places: tuple[int, ...]
    names: tuple[str, ...]
    flags: tuple[int, ...]
    modes: tuple[int, ...]

    @classmethod
    def of(cls, header: Header) -> HeaderFiles:
        """header: parsed with at least `TAGS`."""
        return cls(
            header.texts(Tag.DIRNAMES),
            header.numbers(Tag.DIRINDEXES),
            header.texts(Tag.BASENAMES),
            header.numbers(Tag.FILEFLAGS),
            header.numbers(Tag.FILEMODES),
        )

    @property
    def paths(self) -> list[str]:
        directories = self.directories
        return [directories[at] + name for at, name in zip(self.places, self.names, strict=True)]

    def states(self, documents: bool) -> Sequence[int]:
        """The state of each file. documents: whether they are installed."""
        count = len(self.names)
        if documents or not any(flags & FileFlag.DOC for flags in self.flags):
            return bytes(count)
        states = [NORMAL] * count
        left = Counter(self.places)
        emptied: set[int] = set()
        for number, flags in enumerate(self.flags):
            if flags & FileFlag.DOC and not flags & FileFlag.LICENSE:
                self._leave_out(number, states, left, emptied)
        by_path = {path: number for number, path in enumerate(self.paths)}
        # Deeper directories come later.
        for at in reversed(range(len(self.directories))):
            number = by_path.get(self.directories[at].rstrip("/"), -1)
            if left[at] or at not in emptied or number < 0:
                continue
            if states[number] == NORMAL and stat.S_ISDIR(self.modes[number]):
                self._leave_out(number, states, left, emptied)
        return bytes(states)

    def _leave_out(
        self, number: int, states: list[int], left: Counter[int], emptied: set[int]
    ) -> None:
        states[number] = NOT_INSTALLED
        left[self.places[number]] -= 1
        emptied.add(self.places[number])
