"""The inventory of a store: every result, what it was made of, who reads it, and for whom it is.

Read from small files alone: what results say of themselves, the heads of their seals, the answers
and the records. No tree is walked, but that of a result whose size was not noted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from dockyard.engine import holds
from dockyard.engine.store import Store
from dockyard.errors import DockyardError, Problem
from dockyard.host import seal
from dockyard.keeping.imported import imported
from dockyard.keeping.products import Product, products

TOOLS = "tools"
_SHOWN = 8  # results that a word may mean


@dataclass(frozen=True, slots=True)
class Result:
    """A result in the store.

    name, kind, title, group: of the step that made it. made_of: the results that it was made of,
    keys by the steps' names. size: bytes of disk that are its own. used: when it was last used,
    itself or what was made of it, in seconds since 1970. ids: the steps that it answers. lent: it
    is another store's.
    """

    key: str
    name: str
    kind: str
    title: str
    made_of: Mapping[str, str]
    size: int
    used: float
    ids: tuple[str, ...] = ()
    lent: bool = False
    group: str = ""


@dataclass(frozen=True)
class Inventory:
    """published: the names of repositories that are published, by the keys of their results. held:
    keys and ids of steps that processes use now. tools: the id of the step of the tools in use.
    imported: the results that wait for their first use since an import, by key, and until when.
    """

    results: Mapping[str, Result]
    products: tuple[Product, ...] = ()
    published: Mapping[str, str] = field(default_factory=dict)
    held: frozenset[str] = frozenset()
    tools: str = ""
    imported: Mapping[str, float] = field(default_factory=dict)

    @cached_property
    def by_id(self) -> dict[str, str]:
        """The key that answers each id of a step."""
        return {each: result.key for result in self.results.values() for each in result.ids}

    @cached_property
    def readers(self) -> dict[str, tuple[str, ...]]:
        """The keys of the results that were made of each result."""
        found: dict[str, list[str]] = {key: [] for key in self.results}
        for result in self.results.values():
            for key in dict.fromkeys(result.made_of.values()):
                if key in found:
                    found[key].append(result.key)
        return {key: tuple(sorted(keys)) for key, keys in found.items()}

    def with_all_below(self, keys: Iterable[str]) -> frozenset[str]:
        """Some results and all that they were made of, as far as they are there."""
        found: set[str] = set()
        pending = [key for key in keys if key in self.results]
        while pending:
            key = pending.pop()
            if key not in found:
                found.add(key)
                made_of = self.results[key].made_of.values()
                pending += [each for each in made_of if each in self.results]
        return frozenset(found)

    def planned_for(self, product: Product) -> frozenset[str]:
        """The keys of the results of a product's last plan."""
        return frozenset(self.by_id[each] for each in product.steps if each in self.by_id)

    def needed_for(self, product: Product) -> frozenset[str]:
        """The same, and those of all that they were made of. What they were made of may be another
        product's: one result stands for all steps that would make the same content.
        """
        return self.with_all_below(self.planned_for(product))

    @cached_property
    def owners(self) -> dict[str, tuple[Product, ...]]:
        """The products that need each result."""
        found: dict[str, list[Product]] = {key: [] for key in self.results}
        for product in self.products:
            for key in self.needed_for(product):
                found[key].append(product)
        return {key: tuple(each) for key, each in found.items()}

    @cached_property
    def awaited(self) -> dict[str, float]:
        """What is kept for the first use of imported results, by key, and until when (seconds since
        1970): those, and all that they were made of.
        """
        found: dict[str, float] = {}
        for until in sorted(set(self.imported.values())):
            keys = (key for key, each in self.imported.items() if each == until)
            found |= dict.fromkeys(self.with_all_below(keys), until)
        return found

    def is_nobodys(self, key: str) -> bool:
        """Whether no product, no publication and no program of ours needs a result, nor an import
        may be about to.
        """
        ours = self.tools and self.tools in self.results[key].ids
        return not (self.owners[key] or key in self.published or ours or key in self.awaited)

    @cached_property
    def roots(self) -> dict[str, str]:
        """The results that are never removed, each with the reason."""
        found: dict[str, str] = {}
        for product in self.products:
            if product.kept:
                for key in self.needed_for(product):
                    found[key] = f"{product.name} is kept (dockyard store release {product.name})"
        for key, name in self.published.items():
            found[key] = f"it is the published repository of {name}"
        for key, result in self.results.items():
            if key in self.held or not self.held.isdisjoint(result.ids):
                found[key] = "a running process uses it"
            elif result.lent:
                found[key] = "it belongs to another store"
        return found

    @property
    def size(self) -> int:
        """Bytes of disk of all results."""
        return sum(result.size for result in self.results.values())


def take_inventory(store: Store, tools: str = "") -> Inventory:
    """The inventory of a store. tools: the id of the step of the tools in use."""
    answered: dict[str, list[tuple[str, float]]] = {}
    for step, (key, used) in store.answers().items():
        answered.setdefault(key, []).append((step, used))
    results = {key: _result(store, key, answered.get(key, [])) for key in store.result_keys()}
    published, held = published_keys(store.root), holds.used(store)
    waiting = imported(store, {key: result.used for key, result in results.items()})
    inventory = Inventory(results, products(store), published, held, tools, waiting)
    last = last_uses(inventory)
    results = {key: replace(result, used=last[key]) for key, result in results.items()}
    return replace(inventory, results=results)


def last_uses(inventory: Inventory) -> dict[str, float]:
    """When each result was last used: itself, or what was made of it."""
    used: dict[str, float] = {}
    for key in readers_first(inventory):
        readers = (used[each] for each in inventory.readers[key])
        used[key] = max(inventory.results[key].used, *readers, 0.0)
    return used


def readers_first(inventory: Inventory) -> list[str]:
    """All results, each after those that were made of it."""
    ordered: dict[str, None] = {}
    for start in sorted(inventory.results):
        pending = [(start, iter(inventory.readers[start]))]
        open_keys = {start}
        while pending:
            key, readers = pending[-1]
            following = next((each for each in readers
                              if each not in ordered and each not in open_keys), None)  # fmt: skip
            if following is None:
                pending.pop()
                ordered[key] = None
                continue
            open_keys.add(following)
            pending.append((following, iter(inventory.readers[following])))
    return list(ordered)


def _result(store: Store, key: str, answered: list[tuple[str, float]]) -> Result:
    place, facts = store.place(key), store.facts(key)
    made_of = {**_keys(facts.get("inputs")), **_keys(facts.get("borrowed"))}
    lent = place.is_symlink()
    size = 0 if lent else seal.size(place)
    used = max((when for _, when in answered), default=0.0)
    return Result(
        key,
        str(facts.get("name", "")),
        str(facts.get("kind", "")) or key.rpartition("-")[0],
        str(facts.get("title", "")),
        made_of,
        _measured(place) if size is None else size,
        used or place.lstat().st_mtime,
        tuple(sorted(step for step, _ in answered)),
        lent,
        str(facts.get("group", "")),
    )


def _keys(noted: Any) -> dict[str, str]:
    if not isinstance(noted, dict):
        return {}
    return {str(name): key for name, key in noted.items() if isinstance(key, str)}


def _measured(place: Path) -> int:
    try:
        return seal.measured(place)
    except OSError:  # nobody but root of the namespace may look into it
        return 0


def published_keys(root: Path) -> dict[str, str]:
    """The results that links in `repositories` lead to, each with the name of the repository;
    `(before)` follows it where another one was published since.
    """
    found = {}
    place = root / "repositories"
    results = (root / "results").resolve()
    for link in sorted(place.iterdir()) if place.is_dir() else ():
        target = link.resolve()
        if link.is_symlink() and target.parent == results:
            name = link.name
            hidden = name.startswith(".")  # what was published before, see packages.published
            found[target.name] = f"{name[1:].removesuffix('.before')} (before)" if hidden else name
    return found


def find_result(store: Store, inventory: Inventory, word: str) -> Result:
    """The result that a user names: by its key, the beginning of it, or a path in it. Raises
    DockyardError.
    """
    if word in inventory.results:
        return inventory.results[word]
    path, place = Path(word).absolute(), store.root / "results"
    # A published repository is a link to a result.
    for named, base in ((path, place), (path, place.resolve()), (path.resolve(), place.resolve())):
        if named.is_relative_to(base) and named != base:
            word = named.relative_to(base).parts[0]
            break
    found = [key for key in inventory.results if key.startswith(word)]
    if len(found) == 1:
        return inventory.results[found[0]]
    if found:
        what, fix = f"{len(found)} results begin with {word}", "name one with more of its digits"
        more = len(found) - _SHOWN
        shown = (*found[:_SHOWN], *((f"and {more} more",) if more > 0 else ()))
        raise DockyardError(Problem("store.ambiguous", what, str(place), fix=fix, excerpt=shown))
    what, fix = f"the store has no result {word}", "see what it has with: dockyard store list --all"
    raise DockyardError(Problem("store.unknown", what, str(place), fix=fix))
