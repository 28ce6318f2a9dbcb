"""The step that makes the root of a guest of that of an image with a disk."""

from __future__ import annotations

from dockyard.formats import by_name as format_by_name
from dockyard.pipeline.arguments.names import ROOT
from dockyard.pipeline.format_rules import GUESTS
from dockyard.pipeline.layer_steps import Stack, layer_step, merged
from dockyard.pipeline.request import ImageRequest
from dockyard.tree.guest import GuestSetting


def guest_root(request: ImageRequest, whole: Stack) -> Stack:
    """whole: the root tree. Gives it as it is for all but guests."""
    name = request.output.format
    if name not in GUESTS:
        return whole
    brought = format_by_name(name).brought(request.loaded.image, request.name)
    setting = GuestSetting(
        request.family.esp,
        tuple(sorted(brought.files.items())),
        tuple(sorted(brought.links.items())),
        brought.removed,
    )
    title = "Take out of the root what belongs to a disk"
    layer = layer_step("guest", title, (setting,), whole.layers, request.epoch)
    assert layer is not None
    return merged(f"guest-{ROOT}", "Merge the guest's root", (*whole.layers, layer), request.epoch)
