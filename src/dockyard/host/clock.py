"""The clock, for progress and reports. No time that is read here ever reaches an artefact."""

from __future__ import annotations

import time


def now() -> float:
    """Seconds since 1970, as this machine has it; to word a message, never to decide."""
    return time.time()


def monotonic() -> float:
    """Seconds since some fixed point; for durations."""
    return time.monotonic()
