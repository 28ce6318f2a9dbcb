"""The steps that make the parts of a live system."""

from __future__ import annotations

from dataclasses import dataclass

from dockyard.engine.step import Step
from dockyard.pipeline.arguments.image import MakeInitrd
from dockyard.pipeline.arguments.live import (
    MakeWholeInitrd,
    ProveLiveRoot,
    TakeMediumFiles,
    WriteLiveRoot,
)
from dockyard.pipeline.boot_steps import kernel_step
from dockyard.pipeline.layer_steps import Stack, layer_step, merged
from dockyard.pipeline.live import LiveRequest
from dockyard.pipeline.request import ImageRequest
from dockyard.tree.live import LiveSetting

_LIVE = "dockyard.pipeline.steps.live"


@dataclass(frozen=True)
class LiveSteps:
    """root: the tree of the live system. image: of that root, and proof, which reads it back; None
    where the initrd is the whole system. files: of the user's, for the medium; None without any.
    """

    root: Stack
    kernel: Step
    initrd: Step
    image: Step | None
    proof: Step | None
    files: Step | None


def live_steps(request: ImageRequest, live: LiveRequest, whole: Stack, tools: Step) -> LiveSteps:
    """whole: the root tree, with what it boots."""
    title = "Take out of the root what belongs to a disk"
    layer = layer_step("live", title, live_settings(request), whole.layers, request.epoch)
    assert layer is not None
    root = merged("live-root", "Merge the live root", (*whole.layers, layer), request.epoch)
    wanted = WriteLiveRoot(root.root.name, root.names, request.epoch)
    image = proof = None
    if live.full_os:
        title, function = "Make the whole system an initrd", f"{_LIVE}:make_whole_initrd"
        system = MakeWholeInitrd(wanted)
        initrd = Step.of("initrd", title, function, system, (root.root,), borrowed=root.layers)
    else:
        initrd = _bootstrap(request, live, whole)
        image = _image(wanted, root, tools)
        proof = _proof(ProveLiveRoot(wanted, image.name), image, root, tools)
    return LiveSteps(root, kernel_step(whole), initrd, image, proof, _files(request, live))


def live_settings(request: ImageRequest) -> tuple[LiveSetting, ...]:
    """What makes a root that of a live system, where it is to be one."""
    live = request.live
    if live is None:
        return ()
    return (LiveSetting(request.family.esp, live.keeps_boot_files, live.full_os),)


def _image(wanted: WriteLiveRoot, root: Stack, tools: Step) -> Step:
    return Step.of(
        "live-image",
        "Write squashfs for the live root",
        f"{_LIVE}:write_live_root",
        wanted,
        (tools, root.root),
        borrowed=root.layers,
        modules=("dockyard.filesystems.squashfs",),
    )


def _proof(wanted: ProveLiveRoot, image: Step, root: Stack, tools: Step) -> Step:
    return Step.of(
        "proof",
        "Read squashfs for the live root back",
        f"{_LIVE}:prove_live_root",
        wanted,
        (image, tools, root.root),
        borrowed=root.layers,
        name="proof-live",
        modules=image.modules,
    )


def _bootstrap(request: ImageRequest, live: LiveRequest, whole: Stack) -> Step:
    """The step that makes an initrd which finds the root."""
    features = tuple(sorted(live.features))
    wanted = MakeInitrd(False, (), live.modules, whole.names, request.epoch, features)
    where = "fetched over the network" if live.for_network else "on a medium"
    return Step.of(
        "initrd",
        f"Put together the initrd, for a root {where}",
        "dockyard.pipeline.steps.boot:make_initrd",
        wanted,
        (whole.root,),
        borrowed=whole.layers,
    )


def _files(request: ImageRequest, live: LiveRequest) -> Step | None:
    if not live.files:
        return None
    settled = tuple(each.settled() for each in live.files)
    return Step.of(
        "medium-files",
        "Take the files for the medium",
        f"{_LIVE}:take_medium_files",
        TakeMediumFiles(settled, request.epoch),
        (),
        details=tuple(each.describe() for each in live.files),
    )
