"""Files beside an image file that its scripts do not see, and that do not shape what they do."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from dockyard.config import LoadedImage
from dockyard.config.clear_passwords import beside_image_files
from dockyard.host.files import being_written
from dockyard.model.input import InputImage


def unseen_by_scripts(
    loaded: LoadedImage, placed: Collection[Path], given: InputImage | None = None
) -> tuple[Path, ...]:
    """The image file and its locks, files with passwords in clear, images that were made before,
    the one that is customized, and what this process writes to, such as the log of the run.

    given: the image to customize, where the command line names one.
    """
    found = {loaded.path.absolute(), *_locks(loaded), *placed, *being_written()}
    found.update(beside_image_files(loaded))
    named = given or loaded.image.input.image
    if named is not None and named.path:
        found.add(loaded.local(named.path).absolute())
    return tuple(sorted(found))


def _locks(loaded: LoadedImage) -> set[Path]:
    """The lock, and those of the other images of the file."""
    beside = loaded.directory.glob("*.lock")
    begin = f"{loaded.path.stem}."
    return {loaded.lock_path.absolute(), *(each for each in beside if each.name.startswith(begin))}
