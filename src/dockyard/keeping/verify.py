"""Reads all that a store holds, and removes what is not what it was: the next build makes it anew,
or fetches it. What the system does not let go is taken out of use, and told.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from dockyard.engine.store import Store
from dockyard.errors import DockyardError, Problem
from dockyard.host import removal
from dockyard.keeping.inventory import Inventory, take_inventory
from dockyard.packages.blobs import Blobs
from dockyard.packages.downloads import Download, downloads, is_damaged

Told = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Damaged:
    """Something that was damaged. kind: `result` or `download`. why: what was wrong. owners: whom
    it belonged to. left: why it could not be removed; None where it was.
    """

    kind: str
    name: str
    title: str
    why: str
    owners: tuple[str, ...]
    left: Problem | None = None


@dataclass(slots=True)
class Verified:
    """How many were read, bytes of disk in all, and what was damaged."""

    results: int = 0
    downloads: int = 0
    size: int = 0
    damaged: list[Damaged] = field(default_factory=list)


def verify_store(store: Store, told: Told, tools: str = "") -> Verified:
    """Read every result and download of a store, and remove what is damaged. Needs the namespace.

    told: gets the name of what is read next, bytes that were read, and bytes in all. tools: see
    take_inventory.
    """
    inventory = take_inventory(store, tools)
    blobs = Blobs.of_store(store.root)
    fetched = [] if blobs.root.is_symlink() else list(downloads(blobs))  # or another store's
    total = inventory.size + sum(each.size for each in fetched)
    found = Verified()
    for key, result in inventory.results.items():
        if result.lent:
            continue
        told(result.title or key, found.size, total)
        why = store.damage(key, thorough=True)
        if why and store.place(key).is_dir():  # and not removed by another process meanwhile
            owners = _owners(inventory, key)
            left = _left(store.discard, key)
            found.damaged.append(Damaged("result", key, result.title, why, owners, left))
        found.results += 1
        found.size += result.size
    for download in fetched:
        told(download.digest, found.size, total)
        if download.path.exists() and (why := _download_damage(download)):
            left = _left(removal.remove_tree, download.path)
            owners = tuple(each.name for each in inventory.products
                           if download.digest in each.downloads)  # fmt: skip
            name = download.digest
            found.damaged.append(Damaged("download", name, "", why, owners, left))
        found.downloads += 1
        found.size += download.size
    return found


def _left(remove: Callable[[Any], None], what: object) -> Problem | None:
    """Remove something; gives why that could not be."""
    try:
        remove(what)
    except DockyardError as error:
        (problem, *_) = error.problems
        if problem.code != "host.cannot-remove":
            raise
        return problem
    return None


def _download_damage(download: Download) -> str:
    try:
        return "it has other content" if is_damaged(download) else ""
    except PermissionError as error:
        return f"it cannot be read: {error.strerror}"


def _owners(inventory: Inventory, key: str) -> tuple[str, ...]:
    owners = [each.name for each in inventory.owners[key]]
    if key in inventory.published:
        owners.append(f"the repository {inventory.published[key]}")
    if inventory.tools and inventory.tools in inventory.results[key].ids:
        owners.append("the tools")
    return tuple(owners)
