"""What is chosen to go: the oldest first, readers before what they read, never a root."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kept_stores import DAY, NOW

from dockyard.errors import DockyardError
from dockyard.keeping.choice import NOBODYS, Wish, choose
from dockyard.keeping.inventory import Inventory, Result, last_uses
from dockyard.keeping.limit import DEFAULT, limit_of, parse_size
from dockyard.keeping.products import IMAGE, Product


def result(key: str, *made_of: str, size: int = 1, age: float = 0.0) -> Result:
    below = {f"input-{number}": each for number, each in enumerate(made_of)}
    return Result(key, key, "kind", key, below, size, NOW - age * DAY, (f"id-{key}",))


def inventory(*results: Result, held: frozenset[str] = frozenset(), **plans: str) -> Inventory:
    """plans: the keys of the results of a product's last plan, separated by spaces."""
    products = tuple(
        Product(name, IMAGE, name, Path("/"), frozenset(), frozenset(f"id-{key}" for key in
                keys.split()))
        for name, keys in plans.items()
    )  # fmt: skip
    return Inventory({each.key: each for each in results}, products, held=held)


def test_what_is_nobodys_goes() -> None:
    found = inventory(result("tree"), result("disk", "tree"), result("old", "tree"), web="disk")
    assert choose(found, Wish(), NOW) == {"old": NOBODYS}
    assert choose(found, Wish(nobodys=False), NOW) == {}


def test_what_was_not_used_for_long_goes_but_for_what_newer_ones_were_made_of() -> None:
    found = inventory(
        result("tree", age=50),
        result("new", "tree", age=1),
        result("old", "tree", age=40),
        web="new old",
    )
    assert last_uses(found)["tree"] == NOW - DAY
    assert list(choose(found, Wish(older_than=30 * DAY), NOW)) == ["old"]


def test_as_many_go_as_it_takes_and_those_that_took_longest_to_make_last() -> None:
    found = inventory(
        result("tools", size=4, age=1),
        result("tree", "tools", size=4, age=1),
        result("disk", "tree", size=4, age=1),
        result("old", "tools", size=4, age=9),
        web="disk",
    )
    wish = Wish(nobodys=False, most=8)
    assert list(choose(found, wish, NOW)) == ["old", "disk"]
    assert list(choose(found, Wish(nobodys=False, most=0), NOW)) == ["old", "disk", "tree", "tools"]
    assert choose(found, Wish(nobodys=False, most=16), NOW) == {}


def test_what_is_held_stays_whatever_is_asked() -> None:
    found = inventory(result("a"), result("b", "a"), held=frozenset({"b", "id-a"}))
    assert choose(found, Wish(everything=True, most=0), NOW) == {}


def test_what_was_imported_stays_with_all_below_for_as_long_as_the_latest_needs_it() -> None:
    found = inventory(
        result("tree"), result("disk", "tree"), result("image", "disk"), result("old", "tree")
    )
    found = replace(found, imported={"disk": NOW + 2, "tree": NOW + 1, "image": NOW + 1})
    assert found.awaited == {"image": NOW + 1, "disk": NOW + 2, "tree": NOW + 2}
    assert choose(found, Wish(), NOW) == {"old": NOBODYS}


def test_a_large_import_is_looked_at_once() -> None:
    names = [f"result-{number:05}" for number in range(5000)]
    chain = [result(name, *names[max(0, at - 4) : at]) for at, name in enumerate(names)]
    found = replace(inventory(*chain), imported=dict.fromkeys(names, NOW))
    begun = time.process_time()
    assert found.awaited == dict.fromkeys(names, NOW)
    assert time.process_time() - begun < 1  # several seconds, if it were for each result anew


@st.composite
def inventories(draw: st.DrawFn) -> Inventory:
    keys = [f"r{number}" for number in range(draw(st.integers(0, 9)))]
    results = []
    for number, key in enumerate(keys):
        below = draw(st.lists(st.sampled_from(keys[:number]), unique=True)) if number else []
        size, age = draw(st.integers(0, 9)), draw(st.integers(0, 9))
        results.append(result(key, *below, size=size, age=age))
    held = frozenset(draw(st.lists(st.sampled_from(keys), max_size=2)) if keys else [])
    web = " ".join(draw(st.lists(st.sampled_from(keys), unique=True)) if keys else [])
    return inventory(*results, held=held, web=web)


WISHES = st.builds(
    Wish,
    nobodys=st.booleans(),
    older_than=st.none() | st.integers(0, 9).map(lambda days: days * DAY),
    most=st.none() | st.integers(0, 40),
    everything=st.booleans(),
)


@given(inventories(), WISHES)
def test_no_choice_breaks_a_chain_or_takes_more_than_it_must(found: Inventory, wish: Wish) -> None:
    chosen = choose(found, wish, NOW)
    order = list(chosen)
    assert not set(order) & set(found.roots)
    for key in order:
        # All that was made of it is a root, or went before it.
        for reader in found.readers[key]:
            assert reader in found.roots or order.index(reader) < order.index(key)
    if wish.most is not None:
        left = found.size - sum(found.results[key].size for key in order)
        assert left <= wish.most or set(order) | set(found.roots) == set(found.results)
        by_size = [key for key, reason in chosen.items() if "longest" in reason]
        if by_size:  # the last of them was still needed to come below
            assert left + found.results[by_size[-1]].size > wish.most


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("20G", 20 << 30),
        ("1.5 GiB", 3 << 29),
        ("512m", 512 << 20),
        ("0", 0),
        ("7", None),
        ("x", None),
        ("", None),
    ],
)
def test_sizes(text: str, size: int | None) -> None:
    assert parse_size(text) == size


def test_the_limit_is_a_size_a_share_or_none(tmp_path: Path) -> None:
    def limit(text: str) -> int | None:
        return limit_of(tmp_path, {"DOCKYARD_STORE_LIMIT": text})

    whole = limit("100%")
    assert whole is not None and limit("50%") == whole * 50 // 100
    assert limit("3G") == 3 << 30 and limit("none") is None
    assert limit_of(tmp_path, {}) == min(DEFAULT, whole // 2)
    for wrong in ("much", "40", "140%"):
        with pytest.raises(DockyardError, match="neither a size nor a share"):
            limit(wrong)
