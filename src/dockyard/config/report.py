"""Mistakes of configuration files as problems: position, source line, caret.

A report knows the text of every file that was read, so that each problem can show its line.
What may be a secret in a shown line is masked.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Unpack

from dockyard.config.secrets import hidden, without, without_login
from dockyard.config.span import Span
from dockyard.errors import Details, DockyardError, Position, Problem, Severity

_WIDEST = 100
_PRIVATE_KEY = re.compile(r"(?:-----BEGIN [A-Z0-9 ]*PRIVATE KEY|b3BlbnNzaC1rZXktdjEA).*", re.DOTALL)
# Longer texts hold a value that nobody wants to read whole.
_LONGEST = 600


def _cut(text: str) -> str:
    """The text without the middle of a very long value."""
    text = without_login(_PRIVATE_KEY.sub("a private key", text))
    return text if len(text) <= _LONGEST else f"{text[:200]} … {text[-200:]}"


def _without_private_keys(text: str) -> list[str]:
    """The lines of a text; those that belong to a private key show nothing of it."""
    lines = []
    inside = False
    for line in text.splitlines():
        shown = _PRIVATE_KEY.sub("…", line)
        lines.append("…" if inside else shown)
        inside = (inside or ("BEGIN" in line and shown != line)) and "-----END " not in line
    return lines


class Report:
    """Collects the problems of all files that belong to one input."""

    def __init__(self) -> None:
        self._lines: dict[str, list[str]] = {}
        self._problems: list[Problem] = []
        self._errors = 0
        self._hidden: dict[str, Mapping[int, int]] = {}
        self._masked: dict[tuple[str, int], str] = {}

    def __len__(self) -> int:
        """How many errors there are; remarks stop nothing."""
        return self._errors

    @property
    def problems(self) -> tuple[Problem, ...]:
        """The errors, in the order of the files and lines that they are in, each once."""
        return self._ordered(item for item in self._problems if item.severity is Severity.ERROR)

    @property
    def remarks(self) -> tuple[Problem, ...]:
        """Warnings and notes, in the same order."""
        return self._ordered(item for item in self._problems if item.severity is not Severity.ERROR)

    def _ordered(self, problems: Iterable[Problem]) -> tuple[Problem, ...]:
        files = {file: index for index, file in enumerate(self._lines)}

        def order(problem: Problem) -> tuple[int, int, int]:
            where = problem.where
            if not isinstance(where, Position):
                return (len(files), 0, 0)
            return (files.get(where.file, len(files)), where.line, where.column)

        return tuple(sorted(dict.fromkeys(problems), key=order))

    def add_source(self, file: str, text: str) -> None:
        self._lines[file] = _without_private_keys(text)
        self._hidden[file] = hidden(text)

    def extend(self, problems: Iterable[Problem]) -> None:
        for problem in problems:
            self._problems.append(problem)
            self._errors += problem.severity is Severity.ERROR

    def add(self, code: str, what: str, at: Span, **details: Unpack[Details]) -> None:
        self.extend([self.problem(code, what, at, **details)])

    def problem(self, code: str, what: str, at: Span, **details: Unpack[Details]) -> Problem:
        """A problem with the line that it is about, without adding it."""
        details.setdefault("excerpt", self._excerpt(at))
        found = Problem(code, _cut(what), at.position, **details)
        return replace(found, why=_cut(found.why), fix=_cut(found.fix))

    def position(self, at: Span) -> Position:
        """A place with its line, for problems that are found later."""
        return replace(at.position, shown=self._excerpt(at))

    def raise_any(self) -> None:
        if self._errors:
            raise DockyardError(*self.problems)

    def _excerpt(self, at: Span) -> tuple[str, ...]:
        written = self._line(at.position.file, at.position.line)
        column = at.position.column - 1
        line = self._masked.get((at.position.file, at.position.line), written)
        if line != written:
            column = min(column, len(line) - 1)
        if not line.strip() or column > len(line):
            return ()
        start = max(0, column - _WIDEST // 2) if len(line) > _WIDEST else 0
        shown = line[start : start + _WIDEST]
        shown = "".join(character if character.isprintable() else "?" for character in shown)
        width = max(1, min(at.width, len(shown) - (column - start)))
        return (shown.rstrip(), " " * (column - start) + "^" * width)

    def _line(self, file: str, number: int) -> str:
        """A line of a file as it is written; what may be shown of it is then in `_masked`.

        Masked once per line: a file may be one long line with a thousand mistakes.
        """
        lines = self._lines.get(file, [])
        if not 0 < number <= len(lines):
            return ""
        line = lines[number - 1].replace("\t", " ")
        if (file, number) not in self._masked:
            from_here = self._hidden[file].get(number)
            shown = line if from_here is None else f"{line[:from_here]}…"
            self._masked[file, number] = without(shown)
        return line
