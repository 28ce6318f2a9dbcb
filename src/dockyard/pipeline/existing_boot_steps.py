"""The step that changes boot entries of an image that exists: they come after its root, whose hash
they may have.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockyard.engine.step import Step
from dockyard.pipeline.arguments.boot import BootWork, ChangeEntries
from dockyard.pipeline.bios_steps import menu_of
from dockyard.pipeline.boot_layer import BOOT, parts_step
from dockyard.pipeline.labels_steps import labels_step
from dockyard.pipeline.layer_steps import Stack, merged
from dockyard.pipeline.verity_steps import Sealed

if TYPE_CHECKING:
    from dockyard.pipeline.boot_changes import BootChanges
    from dockyard.pipeline.request import ImageRequest

_STEPS = "dockyard.pipeline.steps"
_TITLES = {
    BootWork.EDIT: "Change boot entries",
    BootWork.RESET: "Make boot loader settings and entries anew",
    BootWork.BIOS: "Make a menu for the GRUB that a BIOS starts",
    BootWork.UKIS: "Make UKIs of the kernels",
    BootWork.FOLLOW: "Make UKIs of new kernels",
    BootWork.ADDONS: "Change addons of UKIs",
    BootWork.GUARD: "See that UKIs are of the kernels",
}


def with_entries(
    request: ImageRequest, changes: BootChanges, whole: Stack, sealed: Sealed, tools: Step
) -> Stack:
    """The root tree with its boot entries changed; the same where they are not."""
    if changes.work is BootWork.NOTHING:
        return whole
    at = next((n for n, step in enumerate(whole.layers) if step.name == BOOT), None)
    parts = None if at is None else parts_step(request, changes, whole.layers[:at])
    wanted = ChangeEntries(
        work=changes.work,
        change=changes.change,
        fresh=changes.fresh,
        new_kernels=changes.new_kernels,
        initrd=request.family.initrd,
        parts=parts.name if parts else "",
        place=changes.place,
        menu=menu_of(request),
        loader=request.family.loader,
        architecture=request.architecture,
        below=whole.names,
        epoch=request.epoch,
        found=sealed.found,
    )
    inputs = (tools, *whole.layers, *((parts,) if parts else ()), *sealed.hashes.values())
    function = f"{_STEPS}.boot_entries:change_entries"
    title = _TITLES[changes.work]
    details = [f"kernel command line: {' '.join(changes.change.added)}"]
    entries = Step.of(
        "boot-entries",
        title,
        function,
        wanted,
        inputs,
        details=tuple(details if changes.change.added else ()),
    )
    layers = (*whole.layers, entries)
    labels = labels_step(request, layers, "boot-labels")
    return merged("booted", "Merge what boots", layers, request.epoch, labels)
