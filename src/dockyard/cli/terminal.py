"""What a person reads: problems on one screen, in the terminal's width and colours.

Colours follow the terminal and NO_COLOR.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

from dockyard.cli.plain import plain
from dockyard.errors import DockyardError, Problem, Severity

_WIDTH = 100

# A user with more mistakes than these fixes them first, or reads them all as JSON.
_MOST_SHOWN = 20
_COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.NOTE: "cyan"}


def fail(error: DockyardError) -> None:
    """Print the problems of an error to standard error."""
    _print(error.problems)
    hidden = len(error.problems) - _MOST_SHOWN
    if hidden > 0:
        click.echo(f"\n{len(error.problems)} problems; {hidden} more are not shown", err=True)
    elif len(error.problems) > 1:
        click.echo(f"\n{len(error.problems)} problems", err=True)


def remark(remarks: Sequence[Problem]) -> None:
    """Print warnings and notes to standard error, set off from what follows."""
    _print(remarks)
    hidden = len(remarks) - _MOST_SHOWN
    if hidden > 0:
        click.echo(f"\n{hidden} more remarks are not shown", err=True)
    if remarks:
        click.echo(err=True)


def _print(problems: Sequence[Problem]) -> None:
    for number, problem in enumerate(problems[:_MOST_SHOWN]):
        if number:
            click.echo(err=True)
        click.echo(render(problem), err=True)


def render(problem: Problem) -> str:
    """A problem as text: what, where, the lines that prove it, why, and what to do."""
    code = f"{problem.severity}[{problem.code}]:"
    # One sentence: a name in it that has line breaks is not to pass for more of the message.
    first, *rest = wrapped(f"{code} {plain(problem.what)}", "         ")
    lines = [
        click.style(code, fg=_COLOURS[problem.severity], bold=True)
        + click.style(first.removeprefix(code), bold=True),
        *(click.style(line, bold=True) for line in rest),
    ]
    if problem.where is not None:
        lines.append(f"  {click.style('where', fg='cyan')}  {plain(str(problem.where))}")
    bar = click.style("│", fg="cyan")
    lines += [f"  {bar} " + plain(line, "\t") for line in problem.proof]
    for label, text in (("why", problem.why), ("fix", problem.fix)):
        for number, line in enumerate(wrapped(text, " " * 9) if text else ()):
            lead = line if number else f"  {click.style(label.ljust(5), fg='cyan')}  {line}"
            lines.append(lead)
    return "\n".join(lines)


def wrapped(text: str, indent: str) -> list[str]:
    """The lines of a text, broken between words where a terminal would break within one.

    All but the first begin with the indent; the first leaves as much room for what precedes it.
    """
    import textwrap

    columns = width()
    lines: list[str] = []
    for line in text.splitlines():
        broken = textwrap.wrap(
            plain(line, "\t"),
            max(columns - len(indent), 40),
            break_long_words=False,
            break_on_hyphens=False,
        )
        lines += [indent + each if lines or number else each for number, each in enumerate(broken)]
    return lines or [""]


def width() -> int:
    """How many characters a line of text may have: those of the terminal, but not too many. Where
    standard output is a pipe, as to a pager, those of the terminal that the rest is on.
    """
    import shutil

    room = _WIDTH
    for stream in (sys.__stdout__, sys.__stderr__, sys.__stdin__):
        try:
            if stream and (room := os.get_terminal_size(stream.fileno()).columns):
                break
        except (OSError, ValueError):  # no terminal, or closed
            continue
    return min(shutil.get_terminal_size((room, 24)).columns, _WIDTH) or _WIDTH


def duration(seconds: float) -> str:
    """Seconds as a person reads them: 0.31 s, 12 s, 2 min 5 s."""
    if seconds < 10:
        return f"{seconds:.2f} s"
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{int(seconds) // 60} min {int(seconds) % 60} s"


def count(number: int, thing: str) -> str:
    """How many there are of a thing: 1 result, 2 results."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def size(octets: int) -> str:
    """A size in bytes as a person reads it, in powers of 1024."""
    amount = float(octets)
    for unit in ("B", "KiB", "MiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} GiB"


def draws() -> bool:
    """Whether standard error is a terminal on which lines can be redrawn."""
    return sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb"


_chosen: bool | None = None


def choose_colours(chosen: bool | None) -> None:
    """Whether colours are used, whatever the streams are; None: it is left to `colours`."""
    global _chosen
    _chosen = chosen


def colours() -> bool | None:
    """False where colours are not wanted (NO_COLOR, a dumb terminal); None: where a stream is a
    terminal.
    """
    if _chosen is not None:
        return _chosen
    return False if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" else None


class OutputLost(Exception):
    """An answer could not be written: nobody reads any more, or a disk is full."""

    def __init__(self, cause: OSError) -> None:
        super().__init__(cause.strerror or str(cause))
        self.nobody_reads = isinstance(cause, BrokenPipeError)


def say(text: str, *, err: bool = False) -> None:
    """Print a text. Raises OutputLost where it cannot be written."""
    try:
        click.echo(text, err=err)
    except OSError as error:
        raise OutputLost(error) from error


class Reused:
    """Counts reused steps until something is to be told about a step that runs."""

    def __init__(self) -> None:
        self._titles: list[str] = []

    def add(self, title: str) -> None:
        self._titles.append(title)

    def line(self) -> str:
        """What to say of the steps counted so far, once; empty when there are none."""
        titles, self._titles = self._titles, []
        if len(titles) > 1:
            return f"{len(titles)} steps from the store"
        return f"{titles[0]} (from the store)" if titles else ""
