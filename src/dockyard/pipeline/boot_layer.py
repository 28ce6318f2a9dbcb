"""The steps that take what an image that exists boots, and ready it, before its root is hashed.

The parts are taken before anything is cleared away; settings and initrds go into the tree.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockyard.engine.step import Step, names_of
from dockyard.pipeline.arguments.boot import BootWork, PrepareBoot, TakeBootParts

if TYPE_CHECKING:
    from dockyard.pipeline.boot_changes import BootChanges
    from dockyard.pipeline.request import ImageRequest

BOOT = "boot"
_STEPS = "dockyard.pipeline.steps"


def boot_layer(request: ImageRequest, changes: BootChanges, below: tuple[Step, ...]) -> Step | None:
    """The layer of what boots but holds no hash; None where nothing of it changes."""
    prepares = changes.change or changes.makes_parts
    if changes.work in (BootWork.GUARD, BootWork.ADDONS) or not prepares:
        return None
    parts = parts_step(request, changes, below)
    wanted = PrepareBoot(
        changes.work,
        changes.change,
        changes.fresh,
        request.family.initrd,
        parts.name if parts else "",
        names_of(below),
        request.epoch,
    )
    inputs = (*below, *((parts,) if parts else ()))
    title = "Ready what boots"
    return Step.of("boot", title, f"{_STEPS}.boot_settings:prepare_boot", wanted, inputs, name=BOOT)


def parts_step(request: ImageRequest, changes: BootChanges, below: tuple[Step, ...]) -> Step | None:
    """The step that takes or makes kernels and initrds; None where none are wanted."""
    if not changes.makes_parts:
        return None
    whole = changes.work in (BootWork.UKIS, BootWork.FOLLOW)
    wanted = TakeBootParts(changes.initrd, whole, names_of(below), request.epoch)
    title = "Make initrds anew" if changes.initrd.always else "Take kernels and initrds"
    function = f"{_STEPS}.boot_parts:take_boot_parts"
    return Step.of("boot-parts", title, function, wanted, below)
