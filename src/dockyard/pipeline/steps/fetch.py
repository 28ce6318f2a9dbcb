"""Fetches the packages of an image, and notes where each is and by whom it must be signed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockyard.packages.access import Access
from dockyard.packages.fetching import Fetching
from dockyard.packages.pinned import pinned_of
from dockyard.pipeline.arguments.packages import FetchPackages
from dockyard.pipeline.fetched import Fetched

if TYPE_CHECKING:
    from dockyard.engine.work import Work


def fetch_packages(work: Work, wanted: FetchPackages) -> None:
    """Fills what `Fetched` says."""
    access = Access.of_store(work.store, offline=wanted.offline, progress=Fetching(work.progress))
    pinned = pinned_of(wanted.lock.kind)
    found = pinned.locate(wanted.lock, wanted.repositories, access, wanted.lock_file)
    Fetched(
        {pin.nevra: path for pin, path in found.files.items()},
        {name: [bytes(key) for key in trust.certificates] for name, trust in found.trust.items()},
    ).save(work.out, work.store)
