"""What the steps are called with that make the parts of a live system."""

from __future__ import annotations

from dataclasses import dataclass

from dockyard.engine.codec import Beside
from dockyard.tree.additional import AdditionalFileSetting


@dataclass(frozen=True, slots=True)
class WriteLiveRoot:
    """root: the name of the result with the merged root."""

    root: Beside[str]
    below: Beside[tuple[str, ...]]
    epoch: int


@dataclass(frozen=True, slots=True)
class ProveLiveRoot:
    """written: the name of the result that is to be read back."""

    live: WriteLiveRoot
    written: str


@dataclass(frozen=True, slots=True)
class MakeWholeInitrd:
    """live: the root that the initrd is."""

    live: WriteLiveRoot


@dataclass(frozen=True, slots=True)
class TakeMediumFiles:
    """Files of the user's for the medium."""

    files: tuple[AdditionalFileSetting, ...]
    epoch: int
