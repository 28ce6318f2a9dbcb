"""The one error type of Dockyard and its parts.

A problem is something that a person can act on: what happened, where, why, and what to do. One
error carries every problem that was found together, so that a user mends an input once, not once
per mistake. Only the command line prints; every other room raises.

    DockyardError
    └── ProcessFailed      (host.process: a program ended with a non-zero status)
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in a text file. Lines and columns count characters from 1; 0 means unknown."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        if not self.line:
            return self.file
        return (
            f"{self.file}:{self.line}:{self.column}" if self.column else f"{self.file}:{self.line}"
        )


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong.

    code: stable name, `room.kebab-case`, never reused for another meaning.
    what: one sentence without a full stop's worth of history: what is wrong.
    where: a position in a file of the user's, or a free text such as a step's name.
    why: the cause, where `what` does not say it; may have several lines.
    fix: what the reader can do, in the imperative.
    excerpt: lines of output or source that prove it; printed as they are, indented.
    """

    code: str
    what: str
    where: Position | str | None = None
    why: str = ""
    fix: str = ""
    excerpt: tuple[str, ...] = ()


class DockyardError(Exception):
    """One or more problems that stop the work. Never carries secrets."""

    def __init__(self, *problems: Problem) -> None:
        if not problems:
            raise ValueError("a DockyardError needs at least one problem")
        super().__init__("; ".join(problem.what for problem in problems))
        self.problems: tuple[Problem, ...] = problems


class Problems:
    """Collects problems so that all of an input's mistakes are reported together."""

    def __init__(self) -> None:
        self._found: list[Problem] = []

    def __len__(self) -> int:
        return len(self._found)

    def add(
        self,
        code: str,
        what: str,
        where: Position | str | None = None,
        *,
        why: str = "",
        fix: str = "",
        excerpt: tuple[str, ...] = (),
    ) -> None:
        self._found.append(Problem(code, what, where, why, fix, excerpt))

    def extend(self, problems: Iterable[Problem]) -> None:
        self._found.extend(problems)

    def raise_any(self) -> None:
        """Raise a DockyardError of all that was found, if anything was."""
        if self._found:
            raise DockyardError(*self._found)
