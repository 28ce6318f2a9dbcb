"""Chooses which results go: those of nobody, those that were not used for long, or as many as it
takes to come below a size.

A result goes only when all go that were made of it and are not kept for their own sake: so what
stays can still be built upon, and what is removed is last what took longest to make.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dockyard.keeping.inventory import Inventory, last_uses, readers_first

NOBODYS = "nothing that was built last needs it"


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to go. nobodys: what belongs to nobody. older_than: what was not used for so many
    seconds. most: least recently used first, until the results have no more bytes. everything: all
    that may go.
    """

    nobodys: bool = True
    older_than: float | None = None
    most: int | None = None
    everything: bool = False


def choose(inventory: Inventory, wish: Wish, now: float) -> dict[str, str]:
    """The keys of the results that go, each with the reason, in the order in which they go.

    now: seconds since 1970.
    """
    used = last_uses(inventory)
    chosen: dict[str, str] = {}
    left = inventory.size
    for key in removal_order(inventory, used):
        result = inventory.results[key]
        reason = ""
        if wish.nobodys and inventory.is_nobodys(key):
            reason = NOBODYS
        elif wish.everything:
            reason = "all was asked for"
        elif wish.older_than is not None and used[key] < now - wish.older_than:
            reason = "it was not used for longer than was asked"
        if reason:
            chosen[key] = reason
            left -= result.size
    if wish.most is not None:
        for key in removal_order(inventory, used):
            if left <= wish.most:
                break
            if key not in chosen:
                chosen[key] = "it is among those that were not used for longest"
                left -= inventory.results[key].size
    return chosen


def removal_order(inventory: Inventory, used: Mapping[str, float]) -> list[str]:
    """The results that may go: the least recently used first, readers before what they read."""
    ordered = readers_first(inventory)
    rank = {key: number for number, key in enumerate(ordered)}
    return sorted(
        (key for key in ordered if key not in inventory.roots),
        key=lambda key: (used[key], rank[key]),
    )
