"""Changes the Debian packages of an image that exists: a layer over its tree."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dockyard.install.deb_change import change
from dockyard.install.finish import remove_written
from dockyard.packages.access import Access
from dockyard.packages.blobs import Blobs
from dockyard.packages.pinned import pinned_of
from dockyard.pipeline.arguments.packages import ChangeDebs
from dockyard.pipeline.layer import make_layer

if TYPE_CHECKING:
    from dockyard.engine.work import Work


def change_debs(work: Work, wanted: ChangeDebs) -> None:
    """Fills `upper/`, the layer. Packages are held against their pins once more, for they were
    fetched long ago perhaps.
    """
    access = Access.of_store(work.store, offline=wanted.offline)
    lock = wanted.lock
    pinned_of(lock.kind).locate(lock, wanted.repositories, access, wanted.lock_file or None)
    blobs = Blobs.of_store(work.store)
    packages = {label: blobs.whole(digest, label) for label, digest in wanted.packages.items()}

    def done(count: int) -> None:
        work.progress("changing packages", count, len(packages), "packages")

    def act(at: Path) -> None:
        done(0)
        change(packages, wanted.removed, at, wanted.epoch, wanted.packaging, done=done)

    def settle(upper: Path) -> None:
        remove_written(upper, wanted.packaging)

    make_layer(work, wanted.below, wanted.epoch, act, settle)
