"""What the settings of an image expect of its packages, for the step that installs these."""

from __future__ import annotations

from dataclasses import replace

from dockyard.pipeline.arguments.settings import RequiredNames
from dockyard.pipeline.request import ImageRequest
from dockyard.tree.every import settled


def required_names(request: ImageRequest) -> RequiredNames:
    """All that is looked for when the packages are here."""
    source = request.packages
    return RequiredNames(
        replace(source.lock, tools=()),
        source.repositories,
        request.origins.offline,
        settled(request.settings.settings),
        request.loaded.position("os.packages"),
        None if request.output.boots_nothing else request.layout.initrd_filesystems,
    )
