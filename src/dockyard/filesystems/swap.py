"""Swap space: a partition that mkswap(8) has written its header to.

It holds no files, so that it has no place among the file systems that turn an archive into an
image.
"""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

from dockyard.filesystems.image import create_sparse
from dockyard.filesystems.limits import check_label
from dockyard.host.sandbox import Tools

UUID_AT = 0x40C  # bytes, in a swap space of any page size (union swap_header of Linux)
_PAGE = 4096


def write(out: Path, size: int, uuid: UUID, label: str, tools: Tools) -> None:
    """Write a swap space of `size` bytes, all but its first page holes. Raises DockyardError."""
    check_label("swap space", label, 15)
    create_sparse(out, size)
    argv = ["mkswap", "--quiet", "--pagesize", str(_PAGE), "--uuid", str(uuid)]
    argv += ["--label", label] if label else []
    tools.run([*argv, str(out)], write=[out])
