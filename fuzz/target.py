"""What can be fed: a reader, and sound input to begin with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Target:
    """A reader. make: given a directory of its own, gives the function that is fed; that may raise
    DockyardError, and nothing else. seeds: what to begin with. longest: bytes that are drawn.
    """

    name: str
    make: Callable[[Path], Callable[[bytes], object]]
    seeds: tuple[bytes, ...] = ()
    longest: int = 4096
