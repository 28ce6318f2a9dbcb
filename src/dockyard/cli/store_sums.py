"""The sums below `dockyard store list`: by kind, by image, downloads, and all else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dockyard.cli import terminal
from dockyard.cli.plain import plain

if TYPE_CHECKING:
    from dockyard.engine.store import Store
    from dockyard.keeping.inventory import Inventory

_COUNTED = {"results", "blobs", "answers", "locks"}


def sums(store: Store, inventory: Inventory, needed: frozenset[str]) -> dict[str, Any]:
    """All sums, for a program. needed: the digests of downloads that something known needs."""
    from dockyard.host import seal
    from dockyard.keeping.limit import limit_of
    from dockyard.packages.blobs import Blobs
    from dockyard.packages.downloads import downloads

    results = inventory.results
    kinds: dict[str, dict[str, int]] = {}
    for result in results.values():
        told = kinds.setdefault(result.kind, {"results": 0, "size": 0})
        told["results"] += 1
        told["size"] += result.size
    found = []
    for product in inventory.products:
        keys = inventory.needed_for(product)
        alone = [key for key in keys if inventory.owners[key] == (product,)]
        found.append(
            {
                "kind": product.kind,
                "name": product.name,
                "file": str(product.file),
                "results": len(keys),
                "size": sum(results[key].size for key in keys),
                "alone": sum(results[key].size for key in alone),
                "kept": product.kept,
            }
        )
    nobodys = [results[key] for key in results if inventory.is_nobodys(key)]
    fetched = list(downloads(Blobs.of_store(store.root)))
    others = {
        each.name: seal.measured(each)
        for each in sorted(store.root.iterdir())
        if each.is_dir() and not each.is_symlink() and each.name not in _COUNTED
    }
    return {
        "kinds": dict(sorted(kinds.items())),
        "products": found,
        "nobodys": {"results": len(nobodys), "size": sum(each.size for each in nobodys)},
        "downloads": {
            "files": len(fetched),
            "size": sum(each.size for each in fetched),
            "unneeded": sum(each.size for each in fetched if each.digest not in needed),
        },
        "repositories": {name: key for key, name in inventory.published.items()},
        "others": {name: size for name, size in others.items() if size},
        "size": inventory.size + sum(each.size for each in fetched) + sum(others.values()),
        "limit": limit_of(store.root),
    }


def sums_text(facts: Mapping[str, Any]) -> list[str]:
    """The sums for a person."""
    size = terminal.size
    lines = ["", "in all"]

    def add(octets: int, words: str) -> None:
        lines.append(plain(f"  {size(octets):>10}  {words}"))

    for each in facts["products"]:
        kept = ", kept" if each["kept"] else ""
        alone = f"{size(each['alone'])} for it alone"
        add(each["size"], f"{each['kind']} {each['name']} ({each['file']}): {alone}{kept}")
    by_size = sorted(facts["kinds"].items(), key=lambda item: -item[1]["size"])
    add(
        sum(told["size"] for _, told in by_size),
        "results: " + ", ".join(f"{kind} {size(told['size'])}" for kind, told in by_size[:6]),
    )
    fetched, nobodys = facts["downloads"], facts["nobodys"]
    without = f"{size(fetched['unneeded'])} of them that no known lock needs"
    add(fetched["size"], f"downloads: {fetched['files']} files, {without}")
    for name, octets in facts["others"].items():
        add(octets, name)
    limit = "no limit" if facts["limit"] is None else f"limit {size(facts['limit'])}"
    add(facts["size"], f"the store; {limit} of results and downloads")
    if nobodys["results"]:
        unneeded = terminal.count(nobodys["results"], "result")
        add(nobodys["size"], f"nobody's, {unneeded}: `dockyard store prune`")
    return lines
