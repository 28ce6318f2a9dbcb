"""What a verb has to say at its end: to a person as text, to a program as one JSON object.

    {
      "dockyard": "0.1.0",      the version that answers
      "verb": "boot",           the verb, with its noun: "distro build"
      "ok": true,               the same as exit status 0
      "result": …,              what the verb found or made; null when it came to none
      "remarks": [PROBLEM …],   warnings and notes: what stops nothing
      "problems": [PROBLEM …],  what stopped it
      "log": "/path" or null    where the log of this run is
    }

The same object tells failures, a wrong command line and our own defects, always on standard output.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from dockyard import __version__
from dockyard.errors import Position, Problem

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"


@dataclass(frozen=True, slots=True)
class Answer:
    """The outcome of a verb. passed: whether the exit status is 0; status: what it is else. text:
    for a person. logged: whether the log has something that a person may miss, such as what
    scripts printed.
    """

    text: str
    result: object
    passed: bool = True
    logged: bool = False
    status: int = 1


def envelope(
    verb: str,
    *,
    ok: bool,
    result: object = None,
    remarks: Iterable[Problem] = (),
    problems: Iterable[Problem] = (),
    log: Path | None = None,
) -> str:
    """The one JSON object of a run."""
    import json

    told = {
        "dockyard": __version__,
        "verb": verb,
        "ok": ok,
        "result": result,
        "remarks": [problem_json(each) for each in remarks],
        "problems": [problem_json(each) for each in problems],
        "log": str(log) if log else None,
    }
    text = json.dumps(told, indent=1, ensure_ascii=False)
    if text.replace("\n", "").isprintable():
        return text
    # What a terminal would obey, and bytes that are no UTF-8, as JSON escapes.
    return "".join(
        char if char.isprintable() or char == "\n" else json.dumps(char)[1:-1] for char in text
    )


def problem_json(problem: Problem) -> Json:
    """A problem for a program. line and column count from 1; 0 means unknown."""
    where = problem.where
    place = where if isinstance(where, Position) else Position(str(where or ""))
    return {
        "severity": str(problem.severity),
        "code": problem.code,
        "what": problem.what,
        "file": place.file,
        "line": place.line,
        "column": place.column,
        "why": problem.why,
        "fix": problem.fix,
        "excerpt": list(problem.proof),
    }
