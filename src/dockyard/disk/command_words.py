"""The words of a kernel command line, and what is to be changed about them.

The kernel takes a command line apart at blanks outside of double quotes (`next_arg` in its
lib/cmdline.c) and knows no other way to quote. Words are kept as they are written, with quotes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_WORD = re.compile(r'(?:"[^"]*(?:"|$)|[^\s"])+')


def words_of(text: str) -> tuple[str, ...]:
    """The words of a command line."""
    return tuple(_WORD.findall(text))


def name_of(word: str) -> str:
    """What a word sets: its part before `=`, without quotes."""
    return word.lstrip('"').partition("=")[0].rstrip('"')


def plain(word: str) -> str:
    """A word as the kernel hands it on: without its quotes."""
    return word.replace('"', "")


@dataclass(frozen=True, slots=True)
class CommandLineChange:
    """What is to be changed about every command line of an image.

    removed: names of words that go. added: words that come last, so that they win. ids: (old, new)
    ids of partitions and file systems, replaced wherever they are named. Words may hold `{NAME}`
    until what steps found is put in (`filled`).
    """

    removed: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    ids: tuple[tuple[str, str], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.removed or self.added or self.ids)

    def __add__(self, other: CommandLineChange) -> CommandLineChange:
        """Both, the other one later: what it removes goes from what this one adds as well."""
        kept = tuple(word for word in self.added if name_of(word) not in other.removed)
        removed = tuple(dict.fromkeys((*self.removed, *other.removed)))
        ids = tuple(dict.fromkeys((*self.ids, *other.ids)))
        return CommandLineChange(removed, (*kept, *other.added), ids)

    def takes(self, word: str) -> bool:
        """Whether a word goes from where it is: what is added comes last, and once."""
        return name_of(word) in self.removed or plain(word) in map(plain, self.added)

    def applied(self, words: Iterable[str]) -> tuple[str, ...]:
        """The words of a command line, changed."""
        kept = (word for word in words if not self.takes(word))
        return (*(renamed(word, self.ids) for word in kept), *self.added)

    def filled(self, found: Iterable[tuple[str, str]]) -> CommandLineChange:
        """The same with what steps found in the place of `{NAME}`. found: names and texts."""
        added = self.added
        for name, text in found:
            added = tuple(word.replace(f"{{{name}}}", text) for word in added)
        return CommandLineChange(self.removed, added, self.ids)


NO_CHANGE = CommandLineChange()


def replacing(names: Sequence[str], words: Sequence[str]) -> CommandLineChange:
    """The change that gives words the place of all that set the same names."""
    return CommandLineChange(tuple(names), tuple(words))


def renamed(text: str, ids: Iterable[tuple[str, str]]) -> str:
    """A text with new ids in the place of old ones, where these stand by themselves."""
    for old, new in ids:
        alone = rf"(?<![0-9A-Za-z-]){re.escape(old)}(?![0-9A-Za-z-])"
        text = re.sub(alone, new.replace("\\", r"\\"), text, flags=re.IGNORECASE)
    return text
