"""/etc/default/grub, from which grub-mkconfig(8) makes the menu of a running machine.

It is a shell script that sets variables; files in /etc/default/grub.d may set them again. What is
added here goes into `GRUB_CMDLINE_LINUX`, which every entry of the menu gets.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial

from dockyard.disk.command_words import CommandLineChange, name_of, renamed
from dockyard.disk.grub_menu import argument
from dockyard.errors import DockyardError, Problem

SETTINGS = "/etc/default/grub"
MORE_SETTINGS = "/etc/default/grub.d"  # *.cfg in it, in order
_ALL = "GRUB_CMDLINE_LINUX"

_SEGMENT = r"""(?:"(?:\\.|[^\\"])*"|'[^']*'|\\.|[^\s"'\\;&|#])"""
_ASSIGNMENT = re.compile(
    rf"^(?P<before>[ \t]*(?:export[ \t]+)?)(?P<name>{_ALL}(?:_DEFAULT|_RECOVERY)?)"
    rf"(?P<sign>\+?=)(?P<value>{_SEGMENT}*)",
    re.MULTILINE | re.DOTALL,
)
_QUOTED = re.compile(r"""(?P<quote>["']?)(?P<value>.*)(?P=quote)""", re.DOTALL)


def changed_settings(files: Mapping[str, str], change: CommandLineChange) -> dict[str, str]:
    """The texts of all files, by their paths, in the order in which they are read, changed.

    Raises DockyardError for values that cannot be changed, and words that GRUB cannot hand on.
    """
    setting = [path for path, text in files.items() if _sets_all(text)]
    last = setting[-1] if setting else next(iter(files), None)
    found = {}
    for path, text in files.items():
        text = _ASSIGNMENT.sub(partial(_kept, change=change, path=path), text)
        if path == last and change.added:
            text = _with_words(text, [argument(word) for word in change.added], path)
        found[path] = renamed(text, change.ids)
    return found


def _sets_all(text: str) -> bool:
    return any(match["name"] == _ALL for match in _ASSIGNMENT.finditer(text))


def _kept(match: re.Match[str], change: CommandLineChange, path: str) -> str:
    """An assignment without the words that go."""
    quote, value = _value(match, path)
    words = value.split()
    kept = [word for word in words if not change.takes(word.replace("'", ""))]
    if kept == words:
        return match[0]
    return _assignment(match, quote, " ".join(kept))


def _with_words(text: str, words: list[str], path: str) -> str:
    matches = [match for match in _ASSIGNMENT.finditer(text) if match["name"] == _ALL]
    if not matches:
        ended = text if not text or text.endswith("\n") else f"{text}\n"
        return f'{ended}{_ALL}="{" ".join(map(_escaped, words))}"\n'
    match = matches[-1]
    quote, value = _value(match, path)
    if quote != '"':
        # Within single quotes there is no way to write one.
        value, quote = (_escaped(value) if quote else value), '"'
    new = " ".join([*([value.rstrip()] if value.strip() else []), *map(_escaped, words)])
    return text[: match.start()] + _assignment(match, quote, new) + text[match.end() :]


def _value(match: re.Match[str], path: str) -> tuple[str, str]:
    """The quote around a value and what is in it, as it is written."""
    found = _QUOTED.fullmatch(match["value"])
    assert found is not None
    quote, value = found["quote"], found["value"]
    inner = re.sub(r"\\.", "", value, flags=re.DOTALL) if quote != "'" else value
    if (quote and quote in inner) or (not quote and re.search(r"""["']""", inner)):
        raise DockyardError(
            Problem(
                "grub.settings",
                f"{path} sets {match['name']} in a way that cannot be changed",
                path,
                why=f"its value is put together from parts: {match['value']}",
                fix="write the value within one pair of quotes",
            )
        )
    return quote, value


def _assignment(match: re.Match[str], quote: str, value: str) -> str:
    return f"{match['before']}{match['name']}{match['sign']}{quote}{value}{quote}"


def _escaped(text: str) -> str:
    return re.sub(r'([\\"$`])', r"\\\1", text)


def names_in(files: Mapping[str, str]) -> tuple[str, ...]:
    """The names of all words that files give to command lines."""
    values = (_value(match, path)[1]
              for path, text in files.items() for match in _ASSIGNMENT.finditer(text))  # fmt: skip
    return tuple(dict.fromkeys(name_of(word) for value in values for word in value.split()))
