"""Arguments become JSON and come back as they were."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from dockyard.engine.codec import Beside, decode, encode, identity_of


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True)
class Leaf:
    name: str
    colour: Colour = Colour.RED


@dataclass(frozen=True)
class Secret:
    word: str

    @property
    def identity(self) -> dict[str, Any]:
        return {"word": "a digest"}


@dataclass(frozen=True)
class All:
    text: str
    number: int | None
    data: bytes
    path: Path
    uuid: UUID
    leaves: tuple[Leaf | Secret, ...]
    pair: tuple[str, int]
    table: Mapping[str, Leaf]
    names: frozenset[str] = frozenset()
    maybe: Leaf | None = None
    where: Beside[str] = ""
    places: Beside[tuple[Path, ...]] = field(default_factory=tuple)


VALUE = All(
    text="a",
    number=None,
    data=b"\0\xff",
    path=Path("/a"),
    uuid=UUID(int=1),
    leaves=(Leaf("b"), Secret("c")),
    pair=("d", 5),
    table={"e": Leaf("f")},
    names=frozenset(("y", "x")),
    maybe=Leaf("g"),
    where="here",
    places=(Path("/b"),),
)


def test_a_value_comes_back_from_json() -> None:
    assert decode(All, json.loads(json.dumps(encode(VALUE)))) == VALUE


def test_what_is_beside_does_not_shape_and_secrets_are_not_shown() -> None:
    shaped = identity_of(VALUE)
    assert "where" not in shaped and "places" not in shaped
    assert shaped["leaves"][1] == {"word": "a digest"}
    assert encode(VALUE)["leaves"][1] == {"type": "Secret", "word": "c"}


@pytest.mark.parametrize("value", [object(), {"a": object()}, [lambda: None]])
def test_what_is_no_data_is_refused(value: object) -> None:
    with pytest.raises(TypeError):
        encode(value)


def test_a_key_that_nobody_knows_is_refused() -> None:
    with pytest.raises(TypeError, match="Leaf has no other"):
        decode(Leaf, {"name": "a", "other": 1})
