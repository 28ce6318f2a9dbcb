"""Locks an image file: what `dockyard lock` does, without the command line.

Reads the old lock, makes or refreshes it, and writes it only when its text changes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from dockyard.errors import Problems
from dockyard.host.files import write_atomic
from dockyard.model.distro import Distro
from dockyard.model.packages import Lock, Pin
from dockyard.packages import locking as locks
from dockyard.packages.access import Access
from dockyard.packages.lockfile import load_if_sound
from dockyard.packages.request import image_request, unknown_suites
from dockyard.packages.system import system_of

if TYPE_CHECKING:
    from dockyard.config import LoadedImage
    from dockyard.packages.origins import Origins

ToolPins = Callable[[Sequence[Pin] | None], Sequence[Pin]]


@dataclass(frozen=True, slots=True)
class LockedImage:
    """The lock of an image, as it is on disk now. changes: against the one before, in words.

    first: there was no lock before (or none that could be read).
    """

    path: Path
    lock: Lock
    changes: tuple[str, ...]
    first: bool


def lock_image(
    loaded: LoadedImage,
    distro: Distro,
    distro_directory: Path,
    store: Path,
    access: Access,
    origins: Origins,
    *,
    tools: ToolPins,
    extra: Sequence[Path] = (),
    refresh_missing: bool = False,
) -> LockedImage:
    """Make the lock of an image file, or with refresh_missing move only the pins that are gone.

    origins: where packages are on this host. tools: from the pins of the tools in the old lock, if
    they are to be kept, to those of the new.
    Raises DockyardError; then the lock on disk is as it was.
    """
    path = loaded.lock_path
    request = image_request(loaded, distro)
    system = system_of(distro.kind)
    problems = Problems()
    problems.extend(system.refused(loaded))
    problems.extend(unknown_suites(loaded, distro))
    problems.raise_any()
    repositories = system.repositories(
        distro,
        distro_directory,
        store,
        origins,
        extra=extra,
        without=loaded.image.os.packages.without_suites,
    )
    if refresh_missing:
        old: Lock | None = locks.load(path, f"{locks.LOCK_IMAGE} {loaded.words}")
        assert old is not None
        locks.require(old, request, repositories, str(path), image=loaded.words)
        new = system.refresh_missing(old, repositories, access)
        new = replace(new, tools=tuple(sorted(tools(old.tools))))
    else:
        old = load_if_sound(path)
        new = system.make_lock(loaded.name, request, repositories, access, tools(None))
    new = locks.follow(old, new, str(path))
    text = locks.dump(new)
    if not path.is_file() or path.read_bytes() != text.encode():
        write_atomic(path, text.encode())
    changes = tuple(locks.diff(old, new)) if old else ()
    return LockedImage(path, new, changes, old is None)
