"""Products: the images and distributions that were built, and what they need of the store.

    <store>/records/<plan>.json            the last plan of a product: step name -> {id, …}
    <store>/records/product-<plan>.json    what it is of: kind, name, file, downloads
    <store>/records/kept.json              the products that a user wants to keep: plan -> true

Whoever builds notes the product beside its plan; all that is known of whom a result is for comes
from there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from dockyard.engine.store import Store
from dockyard.errors import DockyardError, Problem

IMAGE, DISTRIBUTION = "image", "distribution"

_PREFIX = "product-"
_RECORDS = {IMAGE: "plan", DISTRIBUTION: "distro"}
_KEPT = "kept"


@dataclass(frozen=True, slots=True)
class Product:
    """Something that was built here.

    record: the name of its last plan. kind: IMAGE or DISTRIBUTION. file: its image file, or the
    directory of its files. downloads: the digests of what its lock pins. steps: the ids of its
    last plan. kept: whether a user said that it is to be kept.
    """

    record: str
    kind: str
    name: str
    file: Path
    downloads: frozenset[str]
    steps: frozenset[str]
    kept: bool = False

    @property
    def gone(self) -> bool:
        """Whether its file is not there any more."""
        return not self.file.exists()


def record_name(kind: str, place: Path, one: str = "") -> str:
    """The name of the record of a product's last plan. place: its image file, or the directory of
    its files; what it is named by, as a name of a file. one: which of the products of the place.
    """
    told = str(place.absolute()) + (f"@{one}" if one else "")
    return f"{_RECORDS[kind]}-" + told.strip("/").replace("/", "+")[-200:]


class LastPlan(Mapping[str, Any]):
    """The record of the last plan of a product, read only when a step is to run and says why."""

    def __init__(self, store: Store, name: str) -> None:
        self._store = store
        self._name = name

    @cached_property
    def _record(self) -> Mapping[str, Any]:
        return self._store.record(self._name)

    def __getitem__(self, name: str) -> Any:
        return self._record[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._record)

    def __len__(self) -> int:
        return len(self._record)


def note_product(
    store: Store, record: str, kind: str, name: str, file: Path, downloads: Iterable[str]
) -> None:
    """Note whose plan a record is. Writes only what has changed."""
    told = {
        "kind": kind,
        "name": name,
        "file": str(file.absolute()),
        "downloads": sorted({each for each in downloads if each}),
    }
    if store.record(_PREFIX + record) != told:
        store.keep_record(_PREFIX + record, told)


def products(store: Store) -> tuple[Product, ...]:
    """All products, by kind and name."""
    kept = store.record(_KEPT)
    found = []
    for path in (store.root / "records").glob(f"{_PREFIX}*.json"):
        record = path.name.removeprefix(_PREFIX).removesuffix(".json")
        told = store.record(_PREFIX + record)
        if told:
            found.append(_product(store, record, told, record in kept))
    return tuple(sorted(found, key=lambda each: (each.kind, each.name, each.record)))


def _product(store: Store, record: str, told: dict[str, Any], kept: bool) -> Product:
    steps = (each.get("id") for each in store.record(record).values() if isinstance(each, dict))
    return Product(
        record,
        str(told.get("kind", "")),
        str(told.get("name", "")),
        Path(str(told.get("file", ""))),
        frozenset(told.get("downloads", ())),
        frozenset(str(each) for each in steps if each),
        kept,
    )


def find_product(store: Store, word: str) -> Product:
    """The product that a user names: by its file, the directory of its files, or its name. Raises
    DockyardError.
    """
    known = products(store)
    path = Path(word).absolute()
    named = [each for each in known if each.file in (path, path.resolve())]
    named = named or [each for each in known if each.name == word]
    if len(named) == 1:
        return named[0]
    if named:
        raise DockyardError(
            Problem(
                "store.ambiguous",
                f"{word} names several products",
                str(store.root),
                fix="name one of these, or the file of one",
                excerpt=tuple(f"{each.name}: {each.file}" for each in named),
            )
        )
    names = ", ".join(each.name for each in known) or "nothing"
    raise DockyardError(
        Problem(
            "store.unknown",
            f"{word} was not built in this store",
            str(store.root),
            why=f"built were: {names}",
            fix="name an image file, the directory of a distribution, or one of these",
        )
    )


def keep_product(store: Store, product: Product, kept: bool) -> bool:
    """Keep a product from being removed, or no longer; gives whether that is new."""
    with store.exclusive(_KEPT):
        record = store.record(_KEPT)
        if (product.record in record) == kept:
            return False
        record.pop(product.record, None)
        store.keep_record(_KEPT, {**record, product.record: True} if kept else record)
    return True


def forget_product(store: Store, product: Product) -> None:
    """Remove the records of a product."""
    for name in (product.record, _PREFIX + product.record):
        store.forget_record(name)
