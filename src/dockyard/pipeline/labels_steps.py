"""The step that finds the SELinux labels of a root, and which images have it."""

from __future__ import annotations

from dockyard.engine.step import Step, names_of
from dockyard.model.os import SelinuxMode
from dockyard.pipeline.arguments.labels import FindLabels
from dockyard.pipeline.request import ImageRequest
from dockyard.pipeline.source import PackageSource

LABELLED = (SelinuxMode.PERMISSIVE, SelinuxMode.ENFORCING, SelinuxMode.FORCE_ENFORCING)


def has_labels(request: ImageRequest) -> bool:
    """Whether the files of an image have labels: as it is asked for, else as the image that it is
    made of has it.
    """
    mode = request.loaded.image.os.selinux.mode
    if mode is not None or isinstance(request.source, PackageSource):
        return mode in LABELLED
    return request.source.labelled


def labels_step(request: ImageRequest, layers: tuple[Step, ...], name: str) -> Step | None:
    """The step for the tree that layers make up; None for an image that is not to have labels."""
    if not has_labels(request):
        return None
    wanted = FindLabels(names_of(layers), request.epoch, request.loaded.position("os.selinux.mode"))
    title = "Find the SELinux labels of all files"
    function = "dockyard.pipeline.steps.labels:find_labels"
    return Step.of("labels", title, function, wanted, layers, name=name)
