"""Files beside an image file that its scripts do not see, and that do not shape what they do."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from dockyard.config import LoadedImage
from dockyard.host.files import being_written
from dockyard.model.input import InputImage
from dockyard.packages.sources import lock_path


def unseen_by_scripts(
    loaded: LoadedImage, placed: Collection[Path], given: InputImage | None = None
) -> tuple[Path, ...]:
    """The image file and its lock, images that were made before, the one that is customized, and
    what this process writes to, such as the log of the run. given: the image to customize, where
    the command line names one.
    """
    found = {loaded.path.absolute(), lock_path(loaded.path).absolute(), *placed, *being_written()}
    named = given or loaded.image.input.image
    if named is not None and named.path:
        found.add(loaded.local(named.path).absolute())
    return tuple(sorted(found))
