"""QEMU's monitor protocol (QMP), as far as it is needed here: commands out, events in.

QMP is one JSON object a line: a greeting, then answers and events. Documented in QEMU's
docs/interop/qmp-spec.rst; the events in qapi/run-state.json.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

GREETING = b'{"execute": "qmp_capabilities"}\n'
"""What a client must send before QEMU sends events."""


@dataclass(frozen=True, slots=True)
class Event:
    """An event of QEMU's: its name, and the reason that it gives or an empty text."""

    name: str
    reason: str


class Monitor:
    """Reads the stream that QEMU sends."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[Event]:
        """The events that are complete with this data."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            try:
                told = json.loads(line)
            except ValueError:
                continue
            if isinstance(told, dict) and isinstance(told.get("event"), str):
                details = told.get("data")
                reason = details.get("reason", "") if isinstance(details, dict) else ""
                yield Event(told["event"], str(reason))
