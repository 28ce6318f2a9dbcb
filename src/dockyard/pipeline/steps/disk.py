"""Puts file systems together to a disk, and turns it into the format that is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockyard.disk.assemble import assemble
from dockyard.formats import by_name
from dockyard.pipeline import arguments
from dockyard.pipeline.arguments import DISK, FILESYSTEM, TOOLS
from dockyard.tools.unpacked import trees_in

if TYPE_CHECKING:
    from dockyard.engine.work import Work


def assemble_disk(work: Work, wanted: arguments.Disk) -> None:
    """Fills `disk.raw`: the partition table, and the file systems in their places."""
    images = {key: work.result(name) / FILESYSTEM for key, name in wanted.parts.items()}
    assemble(wanted.layout, images, work.out / DISK)


def write_format(work: Work, wanted: arguments.Format) -> None:
    """Fills `image` with the format's extension."""
    module = by_name(wanted.name)
    out = work.out / f"image{module.extension}"
    tools = trees_in(work.result(TOOLS)).main
    disk = work.result("disk") / DISK
    module.write(disk, out, tools, seed=wanted.seed, epoch=wanted.epoch)
