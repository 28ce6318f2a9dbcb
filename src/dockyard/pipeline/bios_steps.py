"""The step that makes what a BIOS starts, for disks that are laid out for one."""

from __future__ import annotations

from dockyard.disk.grub import boot_place
from dockyard.disk.layout import PartitionLayout
from dockyard.disk.partition_types import BIOS_GRUB
from dockyard.engine.step import Step
from dockyard.model.family import MENUS
from dockyard.pipeline.arguments.image import MakeBios
from dockyard.pipeline.request import ImageRequest


def menu_of(request: ImageRequest) -> str:
    """The menu that GRUB reads: that of the distribution's own images, where they have one."""
    return request.family.grub or MENUS[0]


def bios_partition(request: ImageRequest) -> PartitionLayout | None:
    """The BIOS boot partition of an image that is laid out to boot by a BIOS."""
    if request.boot_type is None or not request.boot_type.by_bios:
        return None
    found = (each for each in request.layout.partitions if each.type_guid == BIOS_GRUB)
    return next(found, None)


def bios_step(request: ImageRequest, partition: PartitionLayout, tools: Step) -> Step:
    """The step that makes GRUB for it."""
    place = boot_place(request.layout)
    position = request.partition_position(partition.number)
    wanted = MakeBios(menu_of(request), place, partition.start, partition.size, position)
    function = "dockyard.pipeline.steps.bios:make_bios"
    return Step.of("bios", "Make GRUB for a BIOS", function, wanted, (tools,))
