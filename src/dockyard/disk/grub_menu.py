"""The menu that GRUB reads, grub.cfg: its entries, and their command lines changed in place.

What is changed are arguments of `linux` commands and the value of `kernelopts`, which entries of
the Boot Loader Specification fall back to; every other byte stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from dockyard.disk import grub_script
from dockyard.disk.command_words import CommandLineChange, plain, renamed
from dockyard.disk.grub_script import Command, Kind, Token, commands_of, text_of, tokens_of
from dockyard.errors import DockyardError, Problem

LINUX = frozenset(("linux", "linux16", "linuxefi"))
KERNEL_OPTIONS = "kernelopts"
ENTRIES = "blscfg"
_ASSIGNED = re.compile(rf"""{KERNEL_OPTIONS}=(?P<quote>["']?)(?P<value>.*?)(?P=quote)""", re.DOTALL)


@dataclass(frozen=True, slots=True)
class MenuEntry:
    """An entry of a menu: its title, the file of its kernel, and the words that follow, in which
    variables stay as they are.
    """

    title: str
    kernel: str
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Menu:
    """What a grub.cfg has. uses_entries: whether it shows those of the Boot Loader Specification.
    options: what it sets `kernelopts` to; None where it does not.
    """

    entries: tuple[MenuEntry, ...]
    uses_entries: bool
    options: str | None


def read_menu(text: str, name: str) -> Menu:
    """Read a grub.cfg. name: what errors call it. Raises DockyardError for what is no script."""
    tokens = tokens_of(text, name)
    entries, uses_entries, options = [], False, None
    for command in commands_of(tokens):
        values = [grub_script.value_of(tokens[at].text) for at in command.words]
        if command.name in LINUX and len(values) > 1 and command.titles:
            entries.append(MenuEntry(command.titles[-1], values[1], tuple(values[2:])))
        elif command.name == ENTRIES:
            uses_entries = True
        elif command.name == "set" and _sets_options(values):
            options = values[1].partition("=")[2]
    return Menu(tuple(entries), uses_entries, options)


def changed_menu(text: str, change: CommandLineChange, name: str) -> str:
    """A grub.cfg in which every entry has its command line changed.

    Raises DockyardError for what is no script, and for words that GRUB cannot hand on.
    """
    tokens = tokens_of(text, name)
    words = [argument(word) for word in change.added]
    for command in commands_of(tokens):
        if command.name in LINUX and len(command.words) > 1:
            _change_arguments(tokens, command, change, words)
        elif command.name == "set" and len(command.words) > 1:
            at = command.words[1]
            if tokens[at].text.startswith(f"{KERNEL_OPTIONS}="):
                tokens[at] = Token(Kind.WORD, _assigned(tokens[at].text, change, name))
    renamed_words = (
        Token(Kind.WORD, renamed(each.text, change.ids)) if each.kind is Kind.WORD else each
        for each in tokens
    )
    return text_of(list(renamed_words))


def argument(word: str) -> str:
    """A word of a kernel command line as GRUB's `linux` takes it.

    GRUB puts quotes of its own around what has blanks, and a backslash before every quote and
    backslash, which the kernel does not know (grub-core/lib/cmdline.c).
    """
    value = plain(word)
    if "'" in value or "\\" in value:
        raise DockyardError(
            Problem(
                "grub.word",
                f"GRUB cannot hand the kernel argument {word} on",
                why="it puts a backslash before each ' and \\ of an argument",
                fix="write the argument without them",
            )
        )
    return grub_script.quoted(value)


def variable_word(word: str) -> str:
    """A word as a part of a variable's value, whose parts end at blanks. Raises DockyardError."""
    argument(word)
    value = plain(word)
    if any(character.isspace() for character in value):
        raise DockyardError(
            Problem(
                "grub.word",
                f"GRUB cannot hand the kernel argument {word} on",
                why="the image keeps arguments in a variable of GRUB, which ends each at a blank",
                fix="write the argument without blanks",
            )
        )
    return value


def _sets_options(values: list[str]) -> bool:
    return len(values) > 1 and values[1].startswith(f"{KERNEL_OPTIONS}=")


def _change_arguments(
    tokens: list[Token], command: Command, change: CommandLineChange, words: Iterable[str]
) -> None:
    kernel, *arguments = command.words[1:]
    last = kernel
    for at in arguments:
        if change.takes(grub_script.value_of(tokens[at].text)):
            tokens[at] = Token(Kind.WORD, "")
            # The blank before it went with it, but not an end of a line that goes on.
            if tokens[at - 1].kind is Kind.BLANK and "\n" not in tokens[at - 1].text:
                tokens[at - 1] = Token(Kind.BLANK, "")
        else:
            last = at
    more = "".join(f" {word}" for word in words)
    tokens[last] = Token(Kind.WORD, tokens[last].text + more)


def _assigned(word: str, change: CommandLineChange, name: str) -> str:
    """`kernelopts=…` changed; its value stays within the quotes that it has."""
    found = _ASSIGNED.fullmatch(word)
    if found is None:
        raise DockyardError(
            Problem(
                "grub.kernelopts",
                f"{name} sets {KERNEL_OPTIONS} in a way that cannot be changed",
                name,
                why=f"its value is put together from parts: {word}",
                fix="write the value within one pair of quotes",
            )
        )
    old = found["value"].split()
    kept = [item for item in old if not change.takes(item)]
    added = [_escaped(variable_word(item), found["quote"]) for item in change.added]
    if kept == old and not added:
        return word
    quote = found["quote"] or '"'
    return f"{KERNEL_OPTIONS}={quote}{' '.join([*kept, *added])}{quote}"


def _escaped(value: str, quote: str) -> str:
    return value if quote == "'" else re.sub(r'([\\"$])', r"\\\1", value)
