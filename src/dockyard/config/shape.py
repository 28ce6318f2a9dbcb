"""What the annotations of the models say, in one plain form.

The reader, the JSON schema and the reference pages all look at the models through this.
"""

from __future__ import annotations

import types
from dataclasses import MISSING, dataclass, fields, replace
from enum import StrEnum
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from dockyard.model.base import Model, written_names
from dockyard.model.fields import Described, Mark, Reading, ValueRule, described


class ValueKind(StrEnum):
    TEXT = "text"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    ENUM = "enum"
    ENUM_OR_GUID = "enum-or-guid"
    DATE = "date"
    SIZE = "size"
    SIZE_OR_GROW = "size-or-grow"
    PERMISSIONS = "permissions"
    MODE = "mode"
    LOCAL_PATH = "local-path"
    MODEL = "model"
    LIST = "list"
    MAPPING = "mapping"


@dataclass(frozen=True, slots=True)
class Shape:
    """The type of a value. `choices`: of an enumeration, or words beside true and false; `item`: of
    a list's members or a mapping's values; `names`: of a mapping's keys; `rules`: what holds beyond
    the type.

    filled: an empty text is a mistake, where it otherwise is a value that is not given.
    one_or_many: a single value stands for a list of it alone.
    """

    kind: ValueKind
    choices: tuple[str, ...] = ()
    make: Any = None  # turns one of the choices into its value
    model: type[Model] | None = None
    item: Shape | None = None
    names: Shape | None = None
    rules: tuple[ValueRule, ...] = ()
    filled: bool = False
    one_or_many: bool = False


@dataclass(frozen=True, slots=True)
class Field:
    """One key of a model. needed: it has no default."""

    name: str
    key: str
    shape: Shape
    default: Any
    needed: bool
    told: Described


_KNOWN: dict[type[Model], dict[str, Field]] = {}


def fields_of(model: type[Model]) -> dict[str, Field]:
    """The keys of a model, by key, in their order."""
    if model not in _KNOWN:
        _KNOWN[model] = _fields_of(model)
    return _KNOWN[model]


def _fields_of(model: type[Model]) -> dict[str, Field]:
    names = written_names(model)
    found = {}
    for field in fields(model):
        key = names[field.name]
        default = field.default
        if field.default_factory is not MISSING:
            default = field.default_factory()
        shape, needed = shape_of(field.type), default is MISSING
        found[key] = Field(field.name, key, shape, default, needed, described(field))
    return found


def shape_of(annotation: Any) -> Shape:
    """The shape of an annotation as the models use them; others are a mistake of ours."""
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *marks = get_args(annotation)
        return _marked(inner, marks)
    if origin in (Union, types.UnionType):
        return _union([member for member in get_args(annotation) if member is not type(None)])
    if origin is Literal:
        return Shape(ValueKind.ENUM, tuple(get_args(annotation)), make=str)
    if origin is tuple:
        return Shape(ValueKind.LIST, item=shape_of(get_args(annotation)[0]))
    if origin is dict:
        names, item = get_args(annotation)
        return Shape(ValueKind.MAPPING, names=shape_of(names), item=shape_of(item))
    if isinstance(annotation, type):
        if issubclass(annotation, Model):
            return Shape(ValueKind.MODEL, model=annotation)
        if issubclass(annotation, StrEnum):
            return Shape(ValueKind.ENUM, tuple(annotation), annotation)
        simple = {str: ValueKind.TEXT, int: ValueKind.INTEGER, bool: ValueKind.BOOLEAN}
        if annotation in simple:
            return Shape(simple[annotation])
    raise TypeError(f"no shape for {annotation!r}")


def _marked(inner: Any, marks: list[object]) -> Shape:
    reading = next((mark for mark in marks if isinstance(mark, Reading)), None)
    shape = Shape(ValueKind(reading.value)) if reading else shape_of(inner)
    return replace(
        shape,
        rules=shape.rules + tuple(mark for mark in marks if isinstance(mark, ValueRule)),
        filled=Mark.FILLED in marks,
        one_or_many=Mark.ONE_OR_MANY in marks,
    )


def _union(members: list[Any]) -> Shape:
    first, *more = (shape_of(member) for member in members)
    if not more:
        return first
    if first.kind == ValueKind.ENUM and Mark.GUID in get_args(members[1]):
        return replace(first, kind=ValueKind.ENUM_OR_GUID)
    if first.kind == ValueKind.BOOLEAN and more[0].kind == ValueKind.ENUM:
        return replace(first, choices=more[0].choices)
    raise TypeError(f"no shape for {members!r}")
