"""The steps that make what an image boots: kernel, initrd, and both as a UKI."""

from __future__ import annotations

from dataclasses import dataclass

from dockyard.engine.step import Step
from dockyard.initrd.options import InitrdFeature
from dockyard.model.os import InitrdBuilder
from dockyard.pipeline.arguments.image import MakeInitrd, MakeUki, TakeKernel
from dockyard.pipeline.layer_steps import Stack
from dockyard.pipeline.request import ImageRequest
from dockyard.pipeline.sealing import early_mounts
from dockyard.pipeline.verity_steps import Sealed

_BOOT = "dockyard.pipeline.steps.boot"


@dataclass(frozen=True)
class BootSteps:
    """The steps that make what an image boots."""

    kernel: Step
    initrd: Step
    uki: Step


def initrd_step(request: ImageRequest, boot: Stack) -> Step:
    """The step that makes the initrd. boot: the root tree that shapes what boots."""
    chosen = request.loaded.image.os.initrd
    by_dracut = chosen.builder is InitrdBuilder.DRACUT
    kinds = request.layout.initrd_filesystems
    features = (InitrdFeature.VERITY,) if request.layout.verity else ()
    early = any(each.is_initrd_overlay for each in request.loaded.image.os.overlays)
    modules = (*chosen.modules, *(["overlay"] if early else []))
    mounts = early_mounts(request.layout)
    wanted = MakeInitrd(by_dracut, kinds, modules, boot.names, request.epoch, features, mounts)
    maker = "Let dracut make" if by_dracut else "Put together"
    title = f"{maker} the initrd, for {', '.join(kinds)}"
    function = f"{_BOOT}:make_initrd"
    return Step.of("initrd", title, function, wanted, (boot.root,), borrowed=boot.layers)


def kernel_step(boot: Stack) -> Step:
    """The step that takes the kernel out of a root tree."""
    wanted = TakeKernel(boot.names)
    function = f"{_BOOT}:take_kernel"
    return Step.of(
        "kernel", "Take the kernel", function, wanted, (boot.root,), borrowed=boot.layers
    )


def uki_step(request: ImageRequest, boot: Stack, initrd: Step, tools: Step, sealed: Sealed) -> Step:
    """The step that joins kernel, initrd and command line, which has the hashes of sealed roots."""
    wanted = MakeUki(
        name=request.name,
        command_line=request.command_line,
        loader=request.family.loader,
        architecture=request.architecture,
        below=boot.names,
        found=sealed.found,
    )
    return Step.of(
        "uki",
        "Join kernel and initrd into a UKI",
        f"{_BOOT}:make_uki",
        wanted,
        (tools, initrd, boot.root, *sealed.hashes.values()),
        borrowed=boot.layers,
        details=(f"kernel command line: {' '.join(request.command_line)}",),
    )
