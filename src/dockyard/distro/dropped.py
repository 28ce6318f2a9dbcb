"""What the maintainer scripts of an imported package would have done, and nothing does any more.

Conversion leaves the scripts out. Users, directories and owners that they would have made must be
declared, or the package installs and then fails at run time. The scripts are read as far as words
go: lines of well-known commands, with variables put in where the script itself says their values.
"""

from __future__ import annotations

import itertools
import posixpath
import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from dockyard.packages.deb.package import DebPackage

_SCRIPTS = ("preinst", "postinst")
_VARIABLE = re.compile(r"\$(?:\{([A-Za-z_]\w*)\}|([A-Za-z_]\w*))")
_ROOT = re.compile(r"\$\{DPKG_ROOT[^}]*\}|\$DPKG_ROOT\b")
_PARENT = re.compile(r"""\$\(dirname ["']?([^()"'\s]+)["']?\)|`dirname ["']?([^`"'\s]+)["']?`""")
_COMMAND = re.compile(r"\$\([^()]*\)|`[^`]*`")
_HERE = re.compile(r"<<-?\s*['\"]?([A-Za-z_]\w*)['\"]?")
_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)
_BEFORE = frozenset(("if", "then", "else", "elif", "do", "while", "until", "!", "in_sysroot"))
_MOST_VALUES = 16
# Deeper, and a variable that names itself, stays as it is.
_DEPTH = 4
_ROOTS = frozenset(("root", "0", "root:", "root:root", "0:0", "root.root"))
_LONG = frozenset(
    (
        "--comment",
        "--conf",
        "--expiredate",
        "--firstgid",
        "--firstuid",
        "--gecos",
        "--gid",
        "--groups",
        "--home",
        "--home-dir",
        "--ingroup",
        "--key",
        "--lastgid",
        "--lastuid",
        "--mode",
        "--owner",
        "--password",
        "--shell",
        "--skel",
        "--uid",
        "--base-dir",
        "--reference",
        "--context",
        "--from",
    )
)
"""Options that take the next word, where no `=` follows them."""


class Did(StrEnum):
    """What a line of a script makes."""

    ACCOUNT = "user or group"
    SYSUSERS = "users of"
    DIRECTORY = "directory"
    OWNER = "owner of"


@dataclass(frozen=True, slots=True)
class Act:
    """One thing that a line makes. subject: a name or a path; what only the running script knows
    stands as `$NAME`, or `$()` for the output of a command. line: counts from 1.
    """

    did: Did
    subject: str
    script: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.did} {self.subject}"


def acts(deb: DebPackage) -> tuple[Act, ...]:
    """What the scripts that run at installation make, in their order, each thing once."""
    found: dict[tuple[Did, str], Act] = {}
    for script in _SCRIPTS:
        text = deb.control_members.get(script, b"").decode(errors="replace")
        if not _ANY.search(text):
            continue
        for act in _of_script(script, text):
            found.setdefault((act.did, act.subject), act)
    return tuple(found.values())


def _of_script(script: str, text: str) -> Iterator[Act]:
    lines = [(number, line, [*_commands(line)]) for number, line in _lines(text)]
    values = _values(command for _, _, commands in lines for command in commands)
    for number, line, commands in lines:
        for command in commands:
            for did, word in _made(command):
                for subject in values.of(word):
                    yield Act(did, posixpath.normpath(subject), script, number, line.strip())


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines with those that continue them, each with its number; without here-documents."""
    number, begun, whole, until = 0, 0, "", ""
    for number, line in enumerate(text.splitlines(), 1):
        if until:
            until = "" if line.strip() == until else until
            continue
        begun = begun or number
        if line.endswith("\\"):
            whole += line[:-1]
            continue
        whole += line
        yield begun, whole
        here = _HERE.search(whole)
        begun, whole, until = 0, "", here[1] if here else ""
    if whole:
        yield begun, whole


def _commands(line: str) -> Iterator[list[str]]:
    """The commands of a line, each as its words."""
    plain = _PARENT.sub(lambda match: f"{match[1] or match[2]}/..", _ROOT.sub("", line))
    plain = _COMMAND.sub("\0", plain)
    plain = _VARIABLE.sub(lambda match: f"${match[1] or match[2]}", plain)
    lexer = shlex.shlex(plain, posix=True, punctuation_chars=";&|()<>")
    lexer.whitespace_split = True
    try:
        words = list(lexer)
    except ValueError:  # a quote that another line closes
        words = plain.split()
    command: list[str] = []
    for word in words:
        if word and not set(word) - set(";&|()"):
            yield command
            command = []
        elif command or word not in _BEFORE:
            command.append(word.replace("\0", "$()"))
    yield command


@dataclass(slots=True)
class _Values:
    """The values that a script gives to its variables."""

    known: dict[str, list[str]] = field(default_factory=dict)

    def of(self, word: str) -> tuple[str, ...]:
        """A word with every variable replaced, for each of its values."""
        found = [word]
        for _ in range(_DEPTH):  # values may have variables themselves
            names = {(match[1] or match[2]) for each in found for match in _VARIABLE.finditer(each)}
            names &= self.known.keys()
            if not names:
                break
            for name in sorted(names):
                parts = [re.split(rf"\${name}\b", each) for each in found]
                pairs = itertools.product(parts, self.known[name])
                found = [value.join(part) for part, value in pairs][:_MOST_VALUES]
        return tuple(dict.fromkeys(found))


def _values(commands: Iterable[Sequence[str]]) -> _Values:
    found = _Values()
    for command in commands:
        if not command:
            continue
        if command[0] == "for" and len(command) > 3 and command[2] == "in":
            found.known.setdefault(command[1], []).extend(command[3:])
        for word in command:
            match = _ASSIGNMENT.fullmatch(word)
            if match is None:
                break
            if match[2] and f"${match[1]}" not in match[2]:
                found.known.setdefault(match[1], []).extend(match[2].split())
    return found


def _made(command: Sequence[str]) -> Iterator[tuple[Did, str]]:
    """What one command makes: the kind, and the word for it."""
    if not command:
        return
    program, words = command[0].rpartition("/")[2], _until_redirection(command[1:])
    reader = _PROGRAMS.get(program)
    if reader is not None:
        yield from reader(words)


def _until_redirection(words: Sequence[str]) -> list[str]:
    for position, word in enumerate(words):
        if word and not set(word) - set("<>"):
            number = position and words[position - 1].isdigit()
            return list(words[: position - 1 if number else position])
    return list(words)


def _split(words: Sequence[str], short: str) -> tuple[list[str], list[str]]:
    """Options and other words. short: letters of the options that take the next word."""
    options, others, value = list[str](), list[str](), False
    for word in words:
        if value:
            value = False
        elif word.startswith("--"):
            options.append(word)
            value = word in _LONG
        elif word.startswith("-") and len(word) > 1:
            options.append(word)
            value = word[-1] in short
        else:
            others.append(word)
    return options, others


def _accounts(words: Sequence[str]) -> Iterator[tuple[Did, str]]:
    _, names = _split(words, "bcdefgGkKpsu")
    for name in names[:2]:  # the second is a group that the user joins
        yield Did.ACCOUNT, name


def _mkdir(words: Sequence[str]) -> Iterator[tuple[Did, str]]:
    for path in _split(words, "m")[1]:
        yield Did.DIRECTORY, path


def _install(words: Sequence[str]) -> Iterator[tuple[Did, str]]:
    options, paths = _split(words, "gmoSt")
    if any(
        each == "--directory" or re.fullmatch(r"-[a-zA-Z]*d[a-zA-Z]*", each) for each in options
    ):
        for path in paths:
            yield Did.DIRECTORY, path


def _chown(words: Sequence[str]) -> Iterator[tuple[Did, str]]:
    _, others = _split(words, "")
    if others and others[0] not in _ROOTS:
        for path in others[1:]:
            yield Did.OWNER, path


def _statoverride(words: Sequence[str]) -> Iterator[tuple[Did, str]]:
    options, others = _split(words, "")
    if "--add" in options and len(others) == 4:
        yield Did.OWNER, others[3]


def _sysusers(words: Sequence[str]) -> Iterator[tuple[Did, str]]:
    for name in _split(words, "")[1] or ["*.conf"]:
        yield Did.SYSUSERS, name.rpartition("/")[2]


_PROGRAMS: Mapping[str, Callable[[Sequence[str]], Iterator[tuple[Did, str]]]] = {
    "addgroup": _accounts,
    "adduser": _accounts,
    "chgrp": _chown,
    "chown": _chown,
    "dpkg-statoverride": _statoverride,
    "groupadd": _accounts,
    "install": _install,
    "mkdir": _mkdir,
    "systemd-sysusers": _sysusers,
    "useradd": _accounts,
}
_ANY = re.compile(rf"\b(?:{'|'.join(_PROGRAMS)})\b")
