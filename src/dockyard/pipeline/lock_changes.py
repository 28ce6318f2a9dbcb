"""Locks what changes among the packages of an image that exists: what `dockyard lock` does with an
image, without the command line.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dockyard.engine.events import Listener, ignore
from dockyard.engine.store import Store
from dockyard.errors import DockyardError
from dockyard.host.files import write_atomic
from dockyard.packages import locking as locks
from dockyard.packages.access import Access
from dockyard.packages.image_lock import LockedImage
from dockyard.packages.lockfile import load_if_sound
from dockyard.packages.origins import Origins
from dockyard.pipeline.change_systems import change_system_of
from dockyard.pipeline.existing import read_existing
from dockyard.pipeline.existing_disk import DiskSource
from dockyard.pipeline.input_image import input_file, input_named_by
from dockyard.pipeline.overrides import Overrides
from dockyard.pipeline.package_changes import (
    change_request,
    known_packages,
    refused,
)
from dockyard.pipeline.together import Together

if TYPE_CHECKING:
    from dockyard.config import LoadedImage
    from dockyard.packages.oci.access import Registries


def read_input(
    loaded: LoadedImage,
    overrides: Overrides,
    store: Store,
    origins: Origins,
    registries: Registries,
    listener: Listener = ignore,
) -> DiskSource:
    """The image whose packages are to change. Enters the namespace where that is new to the store:
    call it before any thread is started. registries, listener: see `read_customization`. Raises
    DockyardError, also for what cannot be changed.
    """
    together = Together()
    given = input_file(input_named_by(loaded, overrides.input), loaded, registries, together)
    source = read_existing(given.path, store, origins, listener)
    together.extend(refused(loaded, source))
    together.raise_any()
    return source


def lock_changes(
    loaded: LoadedImage,
    source: DiskSource,
    overrides: Overrides,
    store: Store,
    origins: Origins,
    access: Access,
    *,
    refresh_missing: bool = False,
) -> LockedImage:
    """Make the lock beside an image file that changes packages of an image, or with refresh_missing
    move only the pins that are gone. Raises DockyardError; then the lock on disk is as it was.
    """
    request = None
    if source.installed is not None:
        installed = known_packages(source)
        when = overrides.snapshot_time
        request = change_request(loaded, installed, source.architecture, when)
    if request is None:
        what = "the image file changes no packages, so there is nothing to lock"
        fix = "name some in os.packages"
        raise DockyardError(loaded.problem("os.packages", "lock.no-packages", what, fix=fix))
    system = change_system_of(installed)
    repositories = system.repositories(loaded, source, request, overrides, origins, store.root)
    path = loaded.lock_path
    old = load_if_sound(path)
    if refresh_missing:
        made_by = f"{locks.LOCK_IMAGE} {loaded.words} --image-file {source.image}"
        old = locks.load(path, made_by)
        identity = installed.identity
        locks.require(old, request, repositories, str(path), installed=identity, image=loaded.words)
        new = system.refresh_missing(old, repositories, access)
        new = replace(new, tools=tuple(sorted(source.tools)))
    else:
        new, _ = system.decide(loaded.name, request, repositories, access, source.tools)
    if old is not None and old.installed == new.installed:
        new = locks.follow(old, new, str(path))
        if new.packages == old.packages:
            new = replace(new, newest=old.newest)  # of the revisions that stay as well
    text = locks.dump(new).encode()
    if not path.is_file() or path.read_bytes() != text:
        write_atomic(path, text)
    changes = tuple(locks.diff(old, new)) if old else ()
    return LockedImage(path, new, changes, old is None)
