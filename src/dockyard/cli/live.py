"""The live display of running steps on a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from rich.console import Console, RenderableType
from rich.markup import escape
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Column
from rich.text import Text

from dockyard.cli import terminal
from dockyard.cli.plain import plain
from dockyard.engine import events

_WIDE = 100  # columns of a terminal that has room for long bars


# Rich stops both when all that a step counts is there, though the step goes on: packages that were
# fetched are read, a tree that is full is finished.
class _Spinner(SpinnerColumn):
    def render(self, task: Task) -> RenderableType:
        return self.spinner.render(task.get_time())


class _Share(ProgressColumn):
    """How much of it is done; nothing where that is unknown."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.completed * 100 // task.total:.0f}%" if task.total else "")


class _Note(ProgressColumn):
    """What a step does just now."""

    def render(self, task: Task) -> Text:
        return Text(task.fields["note"], style="dim", no_wrap=True, overflow="ellipsis")


class _Clock(TimeElapsedColumn):
    def render(self, task: Task) -> Text:
        return Text(str(timedelta(seconds=int(task.elapsed or 0))), style="progress.elapsed")


@contextmanager
def live() -> Iterator[events.Listener]:
    """A listener that keeps one line for each running step at the foot of the terminal."""
    console = Console(stderr=True, highlight=False)
    # Where there is little room, the notes give way, for they alone may be cut.
    columns = (
        _Spinner(table_column=Column(no_wrap=True)),
        TextColumn("{task.description}"),
        BarColumn(
            bar_width=24 if console.width >= _WIDE else 10, table_column=Column(no_wrap=True)
        ),
        _Share(table_column=Column(no_wrap=True, justify="right")),
        _Clock(table_column=Column(no_wrap=True)),
        _Note(table_column=Column()),
    )
    with Progress(*columns, console=console, transient=True) as shown:
        tasks: dict[str, TaskID] = {}
        reused = terminal.Reused()

        def listener(event: events.Event) -> None:
            match event:
                case events.StepReused(title=title, reason=reason):
                    if reason:
                        console.print(f"[dim]= {escape(plain(title))} ({escape(reason)})")
                    else:
                        reused.add(title)
                case events.StepStarted(step=step, title=title):
                    if line := reused.line():
                        console.print(f"[dim]= {escape(plain(line))}")
                    tasks[step] = shown.add_task(escape(plain(title)), total=None, note="")
                case events.StepProgress(step=step, note=note, done=done, total=total):
                    if step in tasks:
                        count = {"completed": done, "total": total} if total else {}
                        shown.update(tasks[step], note=plain(note), **count)  # type: ignore[arg-type]
                case events.StepFinished(step=step, title=title, seconds=seconds, note=note):
                    if step in tasks:
                        shown.remove_task(tasks.pop(step))
                    told = f" [dim]{escape(plain(note))}" if note else ""
                    took = terminal.duration(seconds)
                    console.print(f"[green]✓[/] {escape(plain(title))} [dim]{took}[/]{told}")
                case events.StepFailed(step=step, title=title, seconds=seconds):
                    if step in tasks:
                        shown.remove_task(tasks.pop(step))
                    console.print(
                        f"[red]✗[/] {escape(plain(title))} [dim]{terminal.duration(seconds)}"
                    )
                case events.StepStopped(step=step, title=title, seconds=seconds):
                    if step in tasks:
                        shown.remove_task(tasks.pop(step))
                    took = terminal.duration(seconds)
                    console.print(f"[dim]– {escape(plain(title))} interrupted after {took}")

        yield listener
