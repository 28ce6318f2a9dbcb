"""Removes from the store what is not wanted any more, beside whatever processes do at that time.

What goes is chosen and taken away from its name while nobody begins to use results (see
`engine.holds`); it is removed afterwards. A process that is killed meanwhile leaves nothing that
looks like a result.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path

from dockyard.engine import holds
from dockyard.engine.store import Store
from dockyard.host import clock, files, removal
from dockyard.keeping.caches import Dispensable, dispensable
from dockyard.keeping.choice import Wish, choose
from dockyard.keeping.inventory import Inventory, Result, take_inventory
from dockyard.keeping.products import forget_product
from dockyard.packages.blobs import Blobs
from dockyard.packages.downloads import Download, remove_abandoned, unneeded

FRESH = 3600.0
"""Seconds for which a download, or the beginning of one, stays though nothing is known to need it:
who fetched it may be at work.
"""
_UNUSED = 30 * 86400.0  # seconds after which logs and caches go
_KEY_LOCK = re.compile(r".+-[0-9a-f]{40}")


@dataclass(slots=True)
class Pruned:
    """What was removed, or would be. results: each with the reason. caches: of metadata, and what
    earlier versions kept. others: how many locks, records, logs and left-overs.
    """

    results: list[tuple[Result, str]] = field(default_factory=list)
    downloads: list[Download] = field(default_factory=list)
    caches: list[Dispensable] = field(default_factory=list)
    others: int = 0

    @property
    def size(self) -> int:
        """Bytes of disk."""
        results = sum(result.size for result, _ in self.results)
        downloads = sum(each.size for each in self.downloads)
        return results + downloads + sum(each.size for each in self.caches)


def prune(
    store: Store,
    wish: Wish,
    *,
    tools: str = "",
    needed: frozenset[str] = frozenset(),
    dry: bool = False,
) -> Pruned:
    """Remove results as wished, and downloads that no product needs, left-overs, old logs, caches
    that were not used for long, and records of image files that are gone. Needs the namespace,
    unless dry.

    tools: see take_inventory. needed: digests of downloads that are needed beside those of the
    products. dry: only say what would go.
    """
    now = clock.now()
    pruned = Pruned()
    if not dry:
        holds.sweep(store)
    with holds.choosing(store):
        inventory = take_inventory(store, tools)
        lost = [each for each in inventory.products if each.gone and not each.kept]
        known = tuple(each for each in inventory.products if each not in lost)
        inventory = replace(inventory, products=known)
        gone = _take_results(store, inventory, wish, now, pruned, dry)
        if not dry:
            for product in lost:
                forget_product(store, product)
            pruned.others += len(lost)
            pruned.others += _tidy(store, inventory, now, wish.older_than or _UNUSED)
    for each in gone:
        removal.remove_tree(each)
    unused = FRESH if wish.everything else wish.older_than or _UNUSED
    pruned.caches = dispensable(store.root, now - max(unused, FRESH))
    if not dry:
        for cache in pruned.caches:
            cache.remove()
    blobs = Blobs.of_store(store.root)
    if blobs.root.is_symlink():  # they are another store's
        return pruned
    wanted = needed.union(*(product.downloads for product in inventory.products))
    pruned.downloads = unneeded(blobs, wanted, now - FRESH)
    if not dry:
        for download in pruned.downloads:
            download.path.unlink(missing_ok=True)
        pruned.others += remove_abandoned(blobs, now - FRESH)
    return pruned


def prune_results(store: Store, wish: Wish) -> Pruned:
    """Remove results alone. Needs the namespace."""
    pruned = Pruned()
    with holds.choosing(store):
        gone = _take_results(store, take_inventory(store), wish, clock.now(), pruned, dry=False)
    for each in gone:
        removal.remove_tree(each)
    return pruned


def _take_results(
    store: Store, inventory: Inventory, wish: Wish, now: float, pruned: Pruned, dry: bool
) -> list[Path]:
    """Take what is chosen away; gives where it is then."""
    gone = []
    for key, reason in choose(inventory, wish, now).items():
        result = inventory.results[key]
        if dry:
            pruned.results.append((result, reason))
        elif place := store.take_away(key):
            pruned.results.append((result, reason))
            gone.append(place)
            for step in result.ids:
                (store.root / "answers" / step).unlink(missing_ok=True)
    return gone


def _tidy(store: Store, inventory: Inventory, now: float, log_age: float) -> int:
    """Remove answers without results, locks of what is gone, and old logs; gives how many."""
    holds.forget_dead(store)
    count = 0
    for step, (key, _) in store.answers().items():
        if key not in inventory.results:
            (store.root / "answers" / step).unlink(missing_ok=True)
            count += 1
    for path in (store.root / "locks").iterdir():
        work = store.root / "work" / path.name
        if _KEY_LOCK.fullmatch(path.name) and not store.place(path.name).exists():
            count += not work.exists() and files.remove_lock(path)
    for path in (store.root / "logs").glob("*.log"):
        if path.stat().st_mtime < now - log_age:
            path.unlink(missing_ok=True)
            count += 1
    return count
