"""Tells steps of one group, such as the conversion of each package, as one step."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from dockyard.engine import events
from dockyard.host import clock


@dataclass(slots=True)
class _Group:
    total: int
    done: int = 0
    running: int = 0
    since: float | None = None  # when the first of them began to run
    ended: bool = False


class Grouped:
    """A listener that hands on what it hears, with one step in place of each group. The time of a
    group is that from the beginning of its first step to the end of its last.
    """

    def __init__(self, listener: events.Listener) -> None:
        self._listener = listener
        self._groups: dict[str, _Group] = {}
        self._lock = threading.Lock()

    def __call__(self, event: events.Event) -> None:
        """Hear an event."""
        if isinstance(event, events.RunStarted):
            self._groups = {name: _Group(total) for name, total in event.groups.items()}
        name = getattr(event, "group", "")
        if not name or name not in self._groups:
            self._listener(event)
            return
        with self._lock:
            self._hear(name, self._groups[name], event)

    def _hear(self, name: str, group: _Group, event: events.Event) -> None:
        match event:
            case events.StepStarted(reason=reason):
                if group.since is None:
                    group.since = clock.monotonic()
                    reason = reason if group.total == 1 else ""
                    self._listener(events.StepStarted(name, f"{name} ({group.total})", reason))
                self._listener(self._progress(name, group, event.title))
            case events.StepProgress(note=note):
                self._listener(self._progress(name, group, note))
            case events.StepFinished() | events.StepReused():
                self._count(name, group)
            case events.StepFailed() if not group.ended:
                group.ended = True
                title = f"{name} ({group.total}): {event.title}"
                self._listener(events.StepFailed(name, title, _elapsed(group)))
            case events.StepStopped() if not group.ended:
                group.ended = True
                title = f"{name} ({group.total})"
                self._listener(events.StepStopped(name, title, _elapsed(group)))
            case _:
                pass

    def _count(self, name: str, group: _Group) -> None:
        group.done += 1
        if group.done < group.total or group.ended:
            return
        if group.since is not None:
            title = f"{name} ({group.total})"
            self._listener(events.StepFinished(name, title, _elapsed(group)))
        else:
            self._listener(events.StepReused(name, f"{name} ({group.total})"))

    @staticmethod
    def _progress(name: str, group: _Group, note: str) -> events.StepProgress:
        return events.StepProgress(name, note, group.done, group.total)


def _elapsed(group: _Group) -> float:
    return 0.0 if group.since is None else clock.monotonic() - group.since
