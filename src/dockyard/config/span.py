"""Where in a file something stands: what a message points at."""

from __future__ import annotations

from dataclasses import dataclass

from dockyard.errors import Position


@dataclass(frozen=True, slots=True)
class Span:
    """A place and how many characters of its line belong to it."""

    position: Position
    width: int = 1
