"""What the step is called with that finds SELinux labels."""

from __future__ import annotations

from dataclasses import dataclass

from dockyard.engine.codec import Beside
from dockyard.errors import Position


@dataclass(frozen=True, slots=True)
class FindLabels:
    """below: the layers of the root. position: where labels are asked for."""

    below: Beside[tuple[str, ...]]
    epoch: int
    position: Beside[Position | None] = None
