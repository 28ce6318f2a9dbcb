"""Reads all that a store holds, and removes what is not what it was: the next build makes it anew,
or fetches it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from dockyard.engine.store import Store
from dockyard.keeping.inventory import Inventory, take_inventory
from dockyard.packages.blobs import Blobs
from dockyard.packages.downloads import downloads, is_damaged

Told = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Damaged:
    """Something that was damaged, and was removed. kind: `result` or `download`. why: what was
    wrong. owners: whom it belonged to.
    """

    kind: str
    name: str
    title: str
    why: str
    owners: tuple[str, ...]


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
            store.discard(key)
            owners = _owners(inventory, key)
            found.damaged.append(Damaged("result", key, result.title, why, owners))
        found.results += 1
        found.size += result.size
    for download in fetched:
        told(download.digest, found.size, total)
        if download.path.exists() and is_damaged(download):
            download.path.unlink(missing_ok=True)
            owners = tuple(each.name for each in inventory.products
                           if download.digest in each.downloads)  # fmt: skip
            why = "it has other content"
            found.damaged.append(Damaged("download", download.digest, "", why, owners))
        found.downloads += 1
        found.size += download.size
    return found


def _owners(inventory: Inventory, key: str) -> tuple[str, ...]:
    owners = [each.name for each in inventory.owners[key]]
    if key in inventory.published:
        owners.append(f"the repository {inventory.published[key]}")
    if inventory.tools and inventory.tools in inventory.results[key].ids:
        owners.append("the tools")
    return tuple(owners)
