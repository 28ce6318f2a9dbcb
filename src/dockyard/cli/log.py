"""The log of one run: every step, every program and what it printed, in a file below the store.

    <store>/logs/20261121T165500Z-build-4711.log     (or what --log-file names)

The file appears with its first line, so that a run that does nothing leaves none. Only its owner
can read it; the newest `_KEPT` stay. Rooms tell it through the standard library's `logging`; the
engine's events come through the progress.
"""

from __future__ import annotations

import logging
import os
import platform
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import click

from dockyard import __version__
from dockyard.cli.plain import plain
from dockyard.engine import events
from dockyard.errors import DockyardError, Problem

LOGGER = "dockyard"
QUIET, VERBOSE, LOG_FILE = "dockyard.quiet", "dockyard.verbose", "dockyard.log-file"
LOG_FORMAT, TIMESTAMPS, LEAST = "dockyard.log-format", "dockyard.timestamps", "dockyard.least"
_KEPT = 50

_current: Log | None = None


def current_log() -> Log | None:
    """The log of the verb that runs, or ran last."""
    return _current


class Log(logging.Handler):
    """Writes what the rooms log and what the engine says. A context manager: listens inside."""

    def __init__(self, path: Path | None, *, ours: bool, verbose: bool) -> None:
        super().__init__(logging.DEBUG)
        self.path = path
        self._ours = ours
        self._verbose = verbose
        self._file: int | None = None
        self._guard = threading.RLock()

    @classmethod
    def of(cls, ctx: click.Context) -> Log:
        """The log of a verb: beside the store's results, or where the command line says."""
        global _current
        _current = cls._of(ctx)
        return _current

    @classmethod
    def _of(cls, ctx: click.Context) -> Log:
        verbose = bool(ctx.meta.get(VERBOSE))
        chosen, store = ctx.meta.get(LOG_FILE), ctx.params.get("store")
        if isinstance(chosen, Path):
            return cls(chosen.absolute(), ours=False, verbose=verbose)
        if LOG_FILE not in ctx.meta or not isinstance(store, Path):
            return cls(None, ours=False, verbose=verbose)
        verb = "-".join(ctx.command_path.split()[1:])
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        name = f"{stamp}-{verb}-{os.getpid()}.log"
        return cls(store.absolute() / "logs" / name, ours=True, verbose=verbose)

    @property
    def written(self) -> Path | None:
        """Where the log is, when something was written."""
        return self.path if self._file is not None else None

    def __enter__(self) -> Log:
        if not self._ours:
            self.begin()
        logger = logging.getLogger(LOGGER)
        logger.setLevel(logging.DEBUG if self.path or self._verbose else logging.WARNING)
        logger.propagate = False
        logger.addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger(LOGGER).removeHandler(self)
        if self._ours and self.path and self._file is not None:
            _forget_old(self.path.parent)

    def begin(self) -> None:
        """Let the file appear, though nothing was written yet."""
        if self.path and self._file is None:
            self._file = self._begin(self.path)

    def event(self, event: events.Event) -> None:
        """Write what the engine says, but for each bit of progress."""
        match event:
            case events.RunStarted() | events.StepProgress():
                return
            case events.StepStarted(title=title, reason=reason):
                self.line(f"begin   {title} ({reason})" if reason else f"begin   {title}")
            case events.StepReused(title=title, reason=reason):
                self.line(f"reuse   {title} ({reason})" if reason else f"reuse   {title}")
            case events.StepFinished(title=title, seconds=seconds, note=note):
                self.line(f"done    {title}, {seconds:.2f} s{f', {note}' if note else ''}")
            case events.StepFailed(title=title, seconds=seconds):
                self.line(f"failed  {title}, {seconds:.2f} s")
            case events.StepStopped(title=title, seconds=seconds):
                self.line(f"stopped {title}, {seconds:.2f} s")

    def emit(self, record: logging.LogRecord) -> None:
        """Write what a room logs."""
        self.line(record.getMessage(), show=self._verbose)

    def line(self, text: str, *, show: bool = False) -> None:
        """Write one entry, which may have several lines."""
        stamp = time.strftime("%H:%M:%S", time.gmtime())
        thread = threading.current_thread().name
        who = "" if thread == "MainThread" else f" [{thread}]"
        first, *rest = (plain(each, "\t") for each in text.splitlines() or [""])
        shown = "\n".join([first, *(f"    │ {each}" for each in rest)])
        if show:
            click.echo(shown, err=True)
        self._write(f"{stamp}{who} {shown}\n")

    def _write(self, text: str) -> None:
        if self.path is None:
            return
        with self._guard:
            self.begin()
            if self._file is not None:
                with suppress(OSError):  # a log that cannot be written stops no work
                    os.write(self._file, text.encode(errors="replace"))

    def _begin(self, path: Path) -> int | None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        try:
            if self._ours:
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            number = os.open(path, flags | (0 if self._ours else os.O_TRUNC), 0o600)
        except OSError as error:
            if not self._ours:
                what = f"the log {path} cannot be written"
                fix = "name another file with --log-file"
                why = error.strerror or str(error)
                raise DockyardError(Problem("cli.log", what, why=why, fix=fix)) from error
            self.path = None
            return None
        import shlex

        words = shlex.join(["dockyard", *without_values(sys.argv[1:])])
        host = os.uname()  # platform.platform() would run a program
        system = f"{host.sysname} {host.release} {host.machine}"
        head = f"dockyard {__version__}, Python {platform.python_version()}, {system}"
        os.write(number, f"{head}\n{Path.cwd()} $ {words}\n".encode(errors="replace"))
        return number


def without_values(words: Sequence[str]) -> list[str]:
    """A command line without what `--set` gives variables, which may be a secret."""
    shown = []
    for before, word in zip(("", *words), words, strict=False):
        lead, name = ("--set=", word[6:]) if word.startswith("--set=") else ("", word)
        is_value = lead or before == "--set"
        shown.append(f"{lead}{name.partition('=')[0]}=…" if is_value and "=" in name else word)
    return shown


def last_resort() -> Log:
    """The log of the verb that ran, whose file appears now; else one below the directory for
    temporary files, which takes its place.
    """
    global _current
    if _current is not None and _current.path is not None:
        _current.begin()
        if _current.written:
            return _current
    import tempfile

    number, name = tempfile.mkstemp(prefix="dockyard-", suffix=".log")
    os.close(number)
    _current = Log(Path(name), ours=False, verbose=False)
    return _current


def _forget_old(directory: Path) -> None:
    """Remove all but the newest logs; their names begin with the time."""
    with suppress(OSError):
        for old in sorted(directory.glob("*.log"))[:-_KEPT]:
            old.unlink(missing_ok=True)
