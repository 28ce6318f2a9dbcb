"""GRUB's script language: a text as tokens, and the commands in it.

The tokens are those of GRUB's lexer (GRUB manual, "Writing GRUB scripts": words, quoting,
variables, comments). Joined they are the text again, byte for byte: so it can be changed in places.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from dockyard.errors import DockyardError, Problem

_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_VARIABLE = rf"\$(?:{_NAME}|[0-9]+|[?#*@]|\{{(?:{_NAME}|[0-9]+|[?#*@])\}})"
_DOUBLE = r'"(?:\\.|[^\\"])*"'
_WORD = rf"""(?:[^{{}}|&$;<>\s'"\\]|[\r\f\v]|\$?{_DOUBLE}|'[^']*'|\\.|{_VARIABLE})+"""
_TOKEN = re.compile(
    rf"(?P<blank>[ \t]+)|(?P<comment>\#[^\n]*)|(?P<newline>\n)"
    rf"|(?P<symbol>\|\||&&|;;|[|&;<>{{}}])|(?P<word>{_WORD})",
    re.DOTALL | re.ASCII,
)
_PART = re.compile(
    rf"""\$?"(?P<double>(?:\\.|[^\\"])*)"|'(?P<single>[^']*)'|\\(?P<escaped>.)"""
    rf"|(?:{_VARIABLE})|.",
    re.DOTALL | re.ASCII,
)
_IN_DOUBLE = re.compile(rf"""\\(?P<escaped>[$\\"\n])|(?:{_VARIABLE})|.""",
                        re.DOTALL | re.ASCII)  # fmt: skip
_PLAIN = re.compile(r"[\w./=:,+@%^~!-]+", re.ASCII)
_CONTINUED = "\\\n"

# Words that commands follow.
_BEFORE_COMMANDS = frozenset(("if", "then", "else", "elif", "do", "while", "until", "!"))
_MOST = 4 << 20  # characters
_DEEPEST = 200  # blocks in blocks
_MENU = frozenset(("menuentry", "submenu"))


class Kind(Enum):
    BLANK = "blank"
    COMMENT = "comment"
    NEWLINE = "newline"
    SYMBOL = "symbol"
    WORD = "word"


@dataclass(frozen=True, slots=True)
class Token:
    kind: Kind
    text: str


def tokens_of(text: str, name: str) -> list[Token]:
    """The tokens of a text. name: what errors call it. Raises DockyardError
    (`grub.not-a-script`) for what GRUB would not read.
    """
    if len(text) > _MOST:
        raise _refused(name, "it is too large to be one")
    found, at, depth = [], 0, 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise _unreadable(text, at, name)
        assert match.lastgroup is not None
        kind = Kind(match.lastgroup)
        # Nothing but ends of lines that go on: GRUB sees no word.
        if kind is Kind.WORD and not match[0].replace(_CONTINUED, ""):
            kind = Kind.BLANK
        depth += {"{": 1, "}": -1}.get(match[0], 0) if kind is Kind.SYMBOL else 0
        if depth > _DEEPEST:
            raise _refused(name, f"it has more than {_DEEPEST} blocks in one another")
        found.append(Token(kind, match[0]))
        at = match.end()
    return found


def _unreadable(text: str, at: int, name: str) -> DockyardError:
    line = text.count("\n", 0, at) + 1
    return _refused(name, "a quote or a variable in it is not closed", f":{line}")


def _refused(name: str, why: str, at: str = "") -> DockyardError:
    return DockyardError(
        Problem(
            "grub.not-a-script",
            f"{name} is not a script that GRUB can read",
            f"{name}{at}",
            why=why,
            fix="correct it in the image; `grub-script-check` says what is wrong",
        )
    )


def text_of(tokens: Sequence[Token]) -> str:
    return "".join(token.text for token in tokens)


def value_of(word: str) -> str:
    """What a word stands for, without its quotes; variables stay as `$name`."""
    return "".join(_parts(word))


def _parts(word: str) -> Iterator[str]:
    for match in _PART.finditer(word):
        if (double := match["double"]) is not None:
            for inner in _IN_DOUBLE.finditer(double):
                yield _part(inner)
        elif (single := match["single"]) is not None:
            yield single
        else:
            yield _part(match)


def _part(match: re.Match[str]) -> str:
    if (escaped := match["escaped"]) is not None:
        return escaped.replace("\n", "")
    return match[0]


def quoted(value: str) -> str:
    """A word that stands for a value. It must not have both kinds of quotes."""
    if _PLAIN.fullmatch(value):
        return value
    if "'" not in value:
        return f"'{value}'"
    escaped = re.sub(r'([\\"$])', r"\\\1", value)
    return f'"{escaped}"'


@dataclass(frozen=True, slots=True)
class Command:
    """A command: the places of its words in the tokens, its name first. titles: of the menu entries
    and submenus around it, the outermost first.
    """

    name: str
    words: tuple[int, ...]
    titles: tuple[str, ...]


def commands_of(tokens: Sequence[Token]) -> Iterator[Command]:
    """The commands of a text in order."""
    blocks: list[str | None] = []
    words: list[int] = []
    for at, token in enumerate((*tokens, Token(Kind.NEWLINE, ""))):
        if token.kind in (Kind.BLANK, Kind.COMMENT):
            continue
        if token.kind is Kind.WORD:
            if words or token.text not in _BEFORE_COMMANDS:
                words.append(at)
            continue
        # What is redirected is still of the command.
        if token.text in ("<", ">"):
            continue
        command = _command(tokens, words, blocks)
        if command is not None:
            yield command
        if token.text == "{":
            is_menu = command is not None and command.name in _MENU and len(words) > 1
            blocks.append(value_of(tokens[words[1]].text) if is_menu else None)
        elif token.text == "}" and blocks:
            blocks.pop()
        words = []


def _command(
    tokens: Sequence[Token], words: Sequence[int], blocks: Sequence[str | None]
) -> Command | None:
    if not words:
        return None
    titles = tuple(title for title in blocks if title is not None)
    return Command(value_of(tokens[words[0]].text), tuple(words), titles)
