"""What machine this is."""

from __future__ import annotations

import platform

from dockyard.model.architecture import Architecture


def architecture() -> Architecture | None:
    """The architecture of the host; None for one that Dockyard does not know."""
    name = platform.machine()
    return Architecture(name) if name in tuple(Architecture) else None
