"""What reading repositories and fetching packages needs of its surroundings.

Light to import: the parts that speak HTTP are loaded when something is asked of the network.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from dockyard.packages.blobs import Blobs

if TYPE_CHECKING:
    from dockyard.host.network import Network
    from dockyard.packages.fetch import Progress


@dataclass(frozen=True, slots=True)
class Access:
    """Where fetched files are kept, and who hears of the progress.

    cache: a directory for what can be made again (parsed metadata, headers that were read).
    offline: directories in the layout of Blobs, tried before any mirror.
    """

    blobs: Blobs
    cache: Path
    progress: Progress | None = None
    offline: Sequence[Path] = ()
    _network: list[Network] = field(default_factory=list, repr=False, compare=False)

    @staticmethod
    def of_store(
        store: Path, *, offline: Sequence[Path] = (), progress: Progress | None = None
    ) -> Access:
        """The access that keeps everything in a store."""
        return Access(Blobs.of_store(store), store / "metadata", progress, tuple(offline))

    @property
    def network(self) -> Network:
        """Connections, opened when they are first used and kept."""
        if not self._network:
            from dockyard.host.network import Network

            self._network.append(Network())
        return self._network[0]
