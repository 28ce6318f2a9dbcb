"""raw: the disk as it is, byte for byte; holes stay holes."""

from __future__ import annotations

from pathlib import Path

from dockyard.disk.output import whole
from dockyard.host.files import copy_sparse
from dockyard.host.sandbox import Tools


class Raw:
    name = "raw"
    extension = ".raw"

    def write(self, disk: Path, out: Path, tools: Tools, *, seed: bytes, epoch: int) -> None:
        with whole(out) as part:
            copy_sparse(disk, part)
