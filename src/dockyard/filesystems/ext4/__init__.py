"""ext4: written by mke2fs and debugfs of e2fsprogs, read by our own reader."""

from __future__ import annotations

from pathlib import Path

from dockyard.archive import Archive
from dockyard.filesystems.ext4 import reader
from dockyard.filesystems.ext4.writer import minimum_size, refuse, write
from dockyard.filesystems.image import Image, reading
from dockyard.host.sandbox import Tools

__all__ = ["minimum_size", "needs", "read", "refuse", "write"]

needs = "main"


def read(image: Image, tools: Tools | None = None, scratch: Path | None = None) -> Archive:
    """The archive of an image. Its data stay in the image; neither tools nor scratch are used."""
    with reading("ext4", image):
        return reader.read(image)
