"""What machine this is."""

from __future__ import annotations

import platform

from dockyard.model.architecture import Architecture


def architecture_or_default() -> Architecture:
    """The architecture of the host; x86_64 for one that Dockyard does not know."""
    return architecture() or Architecture.X86_64


def architecture() -> Architecture | None:
    """The architecture of the host; None for one that Dockyard does not know."""
    name = platform.machine()
    return Architecture(name) if name in tuple(Architecture) else None
