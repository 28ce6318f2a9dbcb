"""`os.packages.update` of an image that is made of packages: they are the newest that its lock
could choose, so that there is nothing to do but to see that each is there.
"""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase

from dockyard.config import LoadedImage, package_names
from dockyard.errors import Problem
from dockyard.model.packages import Lock


def nothing_to_update(loaded: LoadedImage, lock: Lock) -> Iterator[Problem]:
    """A problem for each package to be updated that the image does not have."""
    names = {pin.name for pin in lock.packages}
    for named in package_names(loaded).update:
        if not any(fnmatchcase(name, named.name) for name in names):
            yield Problem(
                "build.nothing-to-update",
                f"{named.name} is to be updated, and the image does not have it",
                named.position,
                why="an image that is made of packages has those that it installs, and the newest "
                "of them",
                fix="add it to os.packages.install, or leave it out here",
            )
