"""How the work is shown: bars on a terminal, plain lines, JSON lines, or nothing.

It goes to standard error, so that standard output holds answers only.
"""

from __future__ import annotations

import dataclasses
import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import click

from dockyard.cli.groups import Grouped
from dockyard.cli.log import LOG_FORMAT, QUIET, TIMESTAMPS, VERBOSE, current_log
from dockyard.cli.plain import plain
from dockyard.cli.terminal import Reused, draws, duration
from dockyard.engine import events

PROGRESS_MODES = ("auto", "plain", "json", "quiet")


@contextmanager
def display(mode: str) -> Iterator[events.Listener]:
    """A listener that shows the engine's events in the given mode while the block runs, and writes
    them into the log of the verb that runs.
    """
    log = current_log()
    context = click.get_current_context(silent=True)
    meta = context.meta if context else {}
    if mode == "auto" and meta.get(LOG_FORMAT) == "json":
        mode = "json"
    with ExitStack() as stack:
        listeners = [stack.enter_context(_display(mode))]
        if log:
            listeners.insert(0, log.event)
        if TIMESTAMPS in meta:
            from dockyard.cli.timestamps import timestamps

            begun = meta.setdefault(f"{TIMESTAMPS}.begun", set())
            listeners.insert(0, stack.enter_context(timestamps(meta[TIMESTAMPS], begun)))

        def listener(event: events.Event) -> None:
            for each in listeners:
                each(event)

        yield listener


@contextmanager
def _display(mode: str) -> Iterator[events.Listener]:
    context = click.get_current_context(silent=True)
    if mode == "quiet" or (context and context.meta.get(QUIET)):
        yield events.ignore
    elif mode == "json":
        yield _json
    elif mode == "auto" and draws() and not (context and context.meta.get(VERBOSE)):
        with ExitStack() as stack:
            yield Grouped(_Live(stack))
    else:
        yield Grouped(_Plain())


class _Live:
    """The live display, which begins with the first step that runs: it starts a thread, and loads
    what an unchanged build does not need.
    """

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._lock = threading.Lock()
        self._before: list[events.Event] = []
        self._listener: events.Listener | None = None

    def __call__(self, event: events.Event) -> None:
        with self._lock:
            if self._listener is None:
                self._before.append(event)
                if not isinstance(event, events.StepStarted):
                    return
                from dockyard.cli.live import live

                self._listener = self._stack.enter_context(live())
                before, self._before = self._before, []
            else:
                before = [event]
        for each in before:
            self._listener(each)


def _json(event: events.Event) -> None:
    shown = {"event": type(event).__name__, **dataclasses.asdict(event)}
    click.echo(json.dumps(shown, sort_keys=True), err=True)


class _Plain:
    """One line when a step begins, one when it ends; reused steps are counted in one line."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._reused = Reused()

    def __call__(self, event: events.Event) -> None:
        with self._lock:
            line = self._line(event)
            if not line:
                return
            if reused := self._reused.line():
                click.echo(f"  =  {reused}", err=True)
            click.echo(plain(line), err=True)

    def _line(self, event: events.Event) -> str:
        match event:
            case events.StepReused(title=title, reason=reason):
                if reason:
                    return f"  =  {title} ({reason})"
                self._reused.add(title)
                return ""
            case events.StepStarted(title=title, reason=reason):
                return f"  …  {title}{f' ({reason})' if reason else ''}"
            case events.StepFinished(title=title, seconds=seconds, note=note):
                return f"  ok {title}, {duration(seconds)}{f', {note}' if note else ''}"
            case events.StepFailed(title=title, seconds=seconds):
                return f"  -- {title} failed after {duration(seconds)}"
            case events.StepStopped(title=title, seconds=seconds):
                return f"  -- {title} interrupted after {duration(seconds)}"
            case _:
                return ""
