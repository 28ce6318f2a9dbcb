"""The size above which a store gives up results by itself, after a build that made some.

Cheap: the sizes of results were noted when they were made, and a build that makes nothing does not
look.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from dockyard.engine.store import Store
from dockyard.errors import DockyardError, Problem
from dockyard.host import seal
from dockyard.keeping.choice import Wish
from dockyard.keeping.prune import Pruned, prune_results
from dockyard.packages.blobs import Blobs
from dockyard.packages.downloads import downloads

VARIABLE = "DOCKYARD_STORE_LIMIT"
DEFAULT = 40 << 30
"""Bytes; never more than half of the disk."""
_DOWN_TO = 0.9  # so that not every build removes a little
_UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?([KMGT])(?:i?B)?", re.IGNORECASE)
_SHARE = re.compile(r"(\d{1,3}) ?%")


def parse_size(text: str) -> int | None:
    """Bytes, of a text such as 20G or 512 MiB, in powers of 1024, or 0; None for any other.

    Who leaves the unit out means gigabytes more likely than bytes, and would lose all results.
    """
    if text.strip() == "0":
        return 0
    found = _SIZE.fullmatch(text.strip())
    return int(float(found[1]) * _UNITS[found[2].upper()]) if found else None


def limit_of(root: Path, environment: Mapping[str, str] = os.environ) -> int | None:
    """The most bytes of results and downloads that a store may have; None: as many as there are.

    DOCKYARD_STORE_LIMIT says a size, a share of the disk (`30%`), or `none`. Raises DockyardError.
    """
    disk = os.statvfs(root)
    total = disk.f_blocks * disk.f_frsize
    text = environment.get(VARIABLE, "").strip()
    if not text:
        return min(DEFAULT, total // 2)
    if text.lower() == "none":
        return None
    share = _SHARE.fullmatch(text)
    size = total * int(share[1]) // 100 if share else parse_size(text)
    if size is None or (share and int(share[1]) > 100):
        raise DockyardError(
            Problem(
                "store.limit",
                f"{VARIABLE} is neither a size nor a share of the disk: {text}",
                fix="give a size such as 40G, a share of the disk such as 30%, or none",
            )
        )
    return size


def within_limit(store: Store) -> Pruned:
    """What `stay_below` removes for the limit that is set, by those who made something."""
    return stay_below(store, limit_of(store.root))


def stay_below(store: Store, limit: int | None) -> Pruned:
    """Remove the least recently used results when results and downloads have more bytes than the
    limit; never what a running process holds. Needs the namespace.
    """
    if limit is None:
        return Pruned()
    fetched = sum(each.size for each in downloads(Blobs.of_store(store.root)))
    made = sum(seal.size(store.place(key)) or 0 for key in store.result_keys())
    if made + fetched <= limit:
        return Pruned()
    most = max(int(limit * _DOWN_TO) - fetched, 0)
    return prune_results(store, Wish(nobodys=False, most=most))
