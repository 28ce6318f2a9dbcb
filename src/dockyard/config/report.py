"""Mistakes of configuration files as problems: position, source line, caret.

A report knows the text of every file that was read, so that each problem can show its line.
Passwords in a shown line are masked.
"""

from __future__ import annotations

import re

from dockyard.config.source import Span
from dockyard.errors import DockyardError, Position, Problem

# A password, its hash, or either under a misspelt key.
_SECRET = re.compile(
    r"(?P<key>(?:^|[\s{,-])[\"']?(?:val\w*|pas\w*d)[\"']?\s*:\s+)(?P<secret>[^\s{].*)"
)
_WIDEST = 100


class Report:
    """Collects the problems of all files that belong to one input."""

    def __init__(self) -> None:
        self._lines: dict[str, list[str]] = {}
        self._problems: list[Problem] = []

    def __len__(self) -> int:
        return len(self._problems)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """In the order of the files and lines that they are in, each once."""
        files = {file: index for index, file in enumerate(self._lines)}

        def order(problem: Problem) -> tuple[int, int, int]:
            where = problem.where
            if not isinstance(where, Position):
                return (len(files), 0, 0)
            return (files.get(where.file, len(files)), where.line, where.column)

        return tuple(sorted(dict.fromkeys(self._problems), key=order))

    def add_source(self, file: str, text: str) -> None:
        self._lines[file] = text.splitlines()

    def extend(self, problems: tuple[Problem, ...]) -> None:
        self._problems.extend(problems)

    def add(self, code: str, what: str, at: Span, *, why: str = "", fix: str = "") -> None:
        self._problems.append(self.problem(code, what, at, why=why, fix=fix))

    def problem(self, code: str, what: str, at: Span, *, why: str = "", fix: str = "") -> Problem:
        """A problem with the line that it is about, without adding it."""
        return Problem(code, what, at.position, why, fix, self._excerpt(at))

    def raise_any(self) -> None:
        if self._problems:
            raise DockyardError(*self.problems)

    def _excerpt(self, at: Span) -> tuple[str, ...]:
        lines = self._lines.get(at.position.file, [])
        if not 0 < at.position.line <= len(lines):
            return ()
        line = lines[at.position.line - 1].replace("\t", " ")
        column, width = at.position.column - 1, at.width
        masked = _SECRET.sub(r"\g<key>…", line)
        if masked != line:
            column = min(column, len(masked) - 1)
            line = masked
        line = "".join(character if character.isprintable() else "?" for character in line)
        if not line.strip() or column > len(line):
            return ()
        start = max(0, column - _WIDEST // 2) if len(line) > _WIDEST else 0
        shown = line[start : start + _WIDEST]
        width = max(1, min(width, len(shown) - (column - start)))
        return (shown.rstrip(), " " * (column - start) + "^" * width)
