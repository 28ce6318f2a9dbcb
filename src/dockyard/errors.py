"""The one error type of Dockyard and its parts.

A problem is something that a person can act on: what happened, where, why, and what to do. One
error carries every problem that was found together, so that a user fixes an input once, not once
per mistake. Only the command line prints; every other room raises.

A problem that stops nothing is a *remark*: a warning (this is probably not what you want) or a note
(this is good to know). Remarks are collected beside errors, handed on with the result (such as
`LoadedImage.remarks`), and shown once.

    DockyardError
    └── ProcessFailed      (host.process: a program ended with a non-zero status)
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypedDict, Unpack


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in a text file. Lines and columns count characters from 1; 0 means unknown.

    shown: the line that is there and a mark below it, for problems that have no better excerpt.
    """

    file: str
    line: int = 0
    column: int = 0
    shown: tuple[str, ...] = field(default=(), compare=False, repr=False)

    def __str__(self) -> str:
        if not self.line:
            return self.file
        return (
            f"{self.file}:{self.line}:{self.column}" if self.column else f"{self.file}:{self.line}"
        )


class Severity(StrEnum):
    """What a problem does to the work: an error stops it, the others are remarks."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong.

    code: stable name, `room.kebab-case`, never reused for another meaning.
    what: one sentence without a full stop's worth of history: what is wrong.
    where: a position in a file of the user's, or a free text such as a step's name.
    why: the cause, where `what` does not say it; may have several lines.
    fix: what the reader can do, in the imperative.
    excerpt: lines of output or source that prove it; printed as they are, indented.
    severity: whether it stops the work.
    """

    code: str
    what: str
    where: Position | str | None = None
    why: str = ""
    fix: str = ""
    excerpt: tuple[str, ...] = ()
    severity: Severity = Severity.ERROR

    @property
    def proof(self) -> tuple[str, ...]:
        """The lines to show: the excerpt, else what is written at the place."""
        at_place = self.where.shown if isinstance(self.where, Position) else ()
        return self.excerpt or at_place


class Details(TypedDict, total=False):
    """What may be said of a problem beside its code, what is wrong, and where; see Problem."""

    why: str
    fix: str
    excerpt: tuple[str, ...]
    severity: Severity


class DockyardError(Exception):
    """One or more problems that stop the work. Never carries secrets."""

    def __init__(self, *problems: Problem) -> None:
        if not problems:
            raise ValueError("a DockyardError needs at least one problem")
        super().__init__("; ".join(problem.what for problem in problems))
        self.problems: tuple[Problem, ...] = problems

    def __reduce__(self) -> tuple[Any, ...]:
        # From a worker process come the problems, whatever of these errors carried them.
        return DockyardError, self.problems


class Problems:
    """Collects problems so that all of an input's mistakes are reported together.

    Its length is that of the errors alone.
    """

    def __init__(self) -> None:
        self._found: list[Problem] = []

    def __len__(self) -> int:
        return len(self.errors)

    @property
    def errors(self) -> tuple[Problem, ...]:
        return tuple(item for item in self._found if item.severity is Severity.ERROR)

    @property
    def remarks(self) -> tuple[Problem, ...]:
        """Warnings and notes, in the order in which they were found, each once."""
        found = (item for item in self._found if item.severity is not Severity.ERROR)
        return tuple(dict.fromkeys(found))

    def add(
        self,
        code: str,
        what: str,
        where: Position | str | None = None,
        **details: Unpack[Details],
    ) -> None:
        self._found.append(Problem(code, what, where, **details))

    def extend(self, problems: Iterable[Problem]) -> None:
        self._found.extend(problems)

    def raise_any(self) -> None:
        """Raise a DockyardError of all errors that were found, if any was."""
        if errors := self.errors:
            raise DockyardError(*errors)
