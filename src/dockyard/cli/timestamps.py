"""When each step of a run began and ended, for programs: `--timestamp-file`.

One JSON object a line, written as it happens: `step`, `event` (`begin`, `end`, `reuse`, `fail` or
`stop`), `time` (UTC, RFC 3339 with microseconds), and `seconds` where a step ends.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from dockyard.engine import events
from dockyard.errors import DockyardError, Problem


class Timestamps:
    """A listener that writes what it hears into a file."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self._lock = threading.Lock()

    def __call__(self, event: events.Event) -> None:
        match event:
            case events.StepStarted(title=title):
                self._write(title, "begin")
            case events.StepReused(title=title):
                self._write(title, "reuse")
            case events.StepFinished(title=title, seconds=seconds):
                self._write(title, "end", seconds=round(seconds, 6))
            case events.StepFailed(title=title, seconds=seconds):
                self._write(title, "fail", seconds=round(seconds, 6))
            case events.StepStopped(title=title, seconds=seconds):
                self._write(title, "stop", seconds=round(seconds, 6))
            case _:
                pass

    def _write(self, title: str, event: str, **more: Any) -> None:
        time = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        line = json.dumps({"step": title, "event": event, "time": time, **more})
        with self._lock:
            self._file.write(line + "\n")
            self._file.flush()


@contextmanager
def timestamps(path: Path, began: set[Path]) -> Iterator[Timestamps]:
    """began: the files of this run; one that is among them is gone on with, not begun anew.

    Raises DockyardError where it cannot be written.
    """
    try:
        file = path.open("a" if path in began else "w", encoding="utf-8")
    except OSError as error:
        what = f"the timestamps cannot be written to {path}"
        why = error.strerror or str(error)
        fix = "name another file with --timestamp-file"
        raise DockyardError(Problem("cli.timestamps", what, why=why, fix=fix)) from error
    began.add(path)
    with file:
        yield Timestamps(file)
