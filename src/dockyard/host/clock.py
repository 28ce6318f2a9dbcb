"""The clock, for progress and reports. No time that is read here ever reaches an artefact."""

from __future__ import annotations

import time


def monotonic() -> float:
    """Seconds since some fixed point; for durations."""
    return time.monotonic()
