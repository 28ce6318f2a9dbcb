"""What a person or a program reads: problems on one screen, and the progress of steps.

Colours follow the terminal and NO_COLOR. Progress goes to standard error, so that standard output
holds answers only.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
import sys
import textwrap
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import click

from dockyard.engine import events
from dockyard.errors import DockyardError, Problem, Severity

_WIDTH = 100

PROGRESS_MODES = ("auto", "plain", "json", "quiet")


# Whoever has more mistakes than these mends them first, or reads them all as JSON.
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
    first, *rest = _wrapped(f"{code} {problem.what}", "         ")
    lines = [
        click.style(code, fg=_COLOURS[problem.severity], bold=True)
        + click.style(first.removeprefix(code), bold=True),
        *(click.style(line, bold=True) for line in rest),
    ]
    if problem.where is not None:
        lines.append(f"  {click.style('where', fg='cyan')}  {problem.where}")
    lines += [f"  {click.style('│', fg='cyan')} {line}" for line in problem.excerpt]
    for label, text in (("why", problem.why), ("fix", problem.fix)):
        for number, line in enumerate(_wrapped(text, " " * 9) if text else ()):
            lead = line if number else f"  {click.style(label.ljust(5), fg='cyan')}  {line}"
            lines.append(lead)
    return "\n".join(lines)


def _wrapped(text: str, indent: str) -> list[str]:
    """The lines of a text, broken between words where a terminal would break within one.

    All but the first begin with the indent; the first leaves as much room for what precedes it.
    """
    width = min(shutil.get_terminal_size((_WIDTH, 24)).columns, _WIDTH) or _WIDTH
    lines: list[str] = []
    for line in text.splitlines():
        broken = textwrap.wrap(
            line,
            max(width - len(indent), 40),
            break_long_words=False,
            break_on_hyphens=False,
        )
        lines += [indent + each if lines or number else each for number, each in enumerate(broken)]
    return lines or [""]


def duration(seconds: float) -> str:
    """Seconds as a person reads them: 0.31 s, 12 s, 2 min 5 s."""
    if seconds < 10:
        return f"{seconds:.2f} s"
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{int(seconds) // 60} min {int(seconds) % 60} s"


def size(octets: int) -> str:
    """A size in bytes as a person reads it, in powers of 1024."""
    amount = float(octets)
    for unit in ("B", "KiB", "MiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} GiB"


@contextmanager
def progress(mode: str) -> Iterator[events.Listener]:
    """A listener that shows the engine's events in the given mode while the block runs."""
    if mode == "quiet":
        yield events.ignore
    elif mode == "json":
        yield _json
    elif mode == "auto" and sys.stderr.isatty():
        with _live() as listener:
            yield listener
    else:
        yield _Plain()


def _json(event: events.Event) -> None:
    shown = {"event": type(event).__name__, **dataclasses.asdict(event)}
    click.echo(json.dumps(shown, sort_keys=True), err=True)


class _Reused:
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


class _Plain:
    """One line when a step begins, one when it ends; reused steps are counted in one line."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._reused = _Reused()

    def __call__(self, event: events.Event) -> None:
        with self._lock:
            line = self._line(event)
            if not line:
                return
            if reused := self._reused.line():
                click.echo(f"  =  {reused}", err=True)
            click.echo(line, err=True)

    def _line(self, event: events.Event) -> str:
        match event:
            case events.StepReused(title=title):
                self._reused.add(title)
                return ""
            case events.StepStarted(title=title, reason=reason):
                return f"  …  {title}{f' ({reason})' if reason else ''}"
            case events.StepFinished(title=title, seconds=seconds, note=note):
                return f"  ok {title}, {duration(seconds)}{f', {note}' if note else ''}"
            case events.StepFailed(title=title, seconds=seconds):
                return f"  -- {title} failed after {duration(seconds)}"
            case _:
                return ""


@contextmanager
def _live() -> Iterator[events.Listener]:
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import (
        BarColumn,
        Progress,
        SpinnerColumn,
        TaskID,
        TextColumn,
        TimeElapsedColumn,
    )

    console = Console(stderr=True, highlight=False)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("[dim]{task.fields[note]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as shown:
        tasks: dict[str, TaskID] = {}
        reused = _Reused()

        def listener(event: events.Event) -> None:
            match event:
                case events.StepReused(title=title):
                    reused.add(title)
                case events.StepStarted(step=step, title=title):
                    if line := reused.line():
                        console.print(f"[dim]= {escape(line)}")
                    tasks[step] = shown.add_task(escape(title), total=None, note="")
                case events.StepProgress(step=step, note=note, done=done, total=total):
                    if step in tasks:
                        count = {"completed": done, "total": total} if total else {}
                        shown.update(tasks[step], note=escape(note), **count)  # type: ignore[arg-type]
                case events.StepFinished(step=step, title=title, seconds=seconds, note=note):
                    shown.remove_task(tasks.pop(step))
                    told = f" [dim]{escape(note)}" if note else ""
                    took = duration(seconds)
                    console.print(f"[green]✓[/] {escape(title)} [dim]{took}[/]{told}")
                case events.StepFailed(step=step, title=title, seconds=seconds):
                    shown.remove_task(tasks.pop(step))
                    console.print(f"[red]✗[/] {escape(title)} [dim]{duration(seconds)}")

        yield listener
