"""The step that makes the tree of all Debian packages of an image."""

from __future__ import annotations

from dockyard.engine.step import Step
from dockyard.pipeline.arguments.settings import InstallDebs
from dockyard.pipeline.request import ImageRequest
from dockyard.pipeline.required_names import required_names


def deb_packages_step(request: ImageRequest, tools: Step, fetch: Step) -> Step:
    """The step that has the tree of all packages: dpkg installs them together."""
    pins = request.packages.lock.packages
    wanted = InstallDebs(
        packages={pin.nevra: pin.digest for pin in pins},
        epoch=request.epoch,
        packaging=request.family.packaging,
        architecture=request.architecture,
        expected=required_names(request),
    )
    title = f"Install {len(pins)} packages"
    function = "dockyard.pipeline.steps.install_debs:install_debs"
    return Step.of("packages", title, function, wanted, (tools,), borrowed=(fetch,))
