"""What the annotations of the models say, in one plain form.

The reader, the JSON schema and the reference page all look at the models through this.
"""

from __future__ import annotations

import types
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from dockyard.model.base import Model, Reading


class Kind(StrEnum):
    TEXT = "text"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    ENUM = "enum"
    ENUM_OR_GUID = "enum-or-guid"
    DATE = "date"
    SIZE = "size"
    SIZE_OR_GROW = "size-or-grow"
    PERMISSIONS = "permissions"
    LOCAL_PATH = "local-path"
    MODEL = "model"
    LIST = "list"
    MAPPING = "mapping"


@dataclass(frozen=True, slots=True)
class Shape:
    """The type of a value. `choices`: of an enumeration; `later`: those that are valid, but that
    building does not write yet; `item`: of a list's members.

    filled: an empty text is a mistake, where it otherwise is a value that is not given.
    """

    kind: Kind
    choices: tuple[str, ...] = ()
    later: tuple[str, ...] = ()
    make: Any = None  # turns one of the choices into its value
    model: type[Model] | None = None
    item: Shape | None = None
    filled: bool = False


@dataclass(frozen=True, slots=True)
class Field:
    """One key of a model."""

    name: str
    key: str
    shape: Shape
    info: FieldInfo


@cache
def fields_of(model: type[Model]) -> dict[str, Field]:
    """The keys of a model, by key, in their order."""
    found = {}
    for name, info in model.model_fields.items():
        key = info.alias or name
        annotation: Any = info.annotation
        for mark in info.metadata:
            if isinstance(mark, Reading | str):
                annotation = Annotated[annotation, mark]
        found[key] = Field(name, key, shape_of(annotation), info)
    return found


def shape_of(annotation: Any) -> Shape:
    """The shape of an annotation as the models use them; others are a mistake of ours."""
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *marks = get_args(annotation)
        for mark in marks:
            if isinstance(mark, Reading):
                return Shape(Kind(mark.value))
            if mark == "date":
                return Shape(Kind.DATE)
            if mark == "filled":
                return replace(shape_of(inner), filled=True)
        return shape_of(inner)
    if origin in (Union, types.UnionType):
        return _union([member for member in get_args(annotation) if member is not type(None)])
    if origin is Literal:
        return Shape(Kind.ENUM, tuple(get_args(annotation)), make=str)
    if origin is tuple:
        return Shape(Kind.LIST, item=shape_of(get_args(annotation)[0]))
    if origin is dict:
        return Shape(Kind.MAPPING)
    if isinstance(annotation, type):
        if issubclass(annotation, Model):
            return Shape(Kind.MODEL, model=annotation)
        if issubclass(annotation, StrEnum):
            later = (each for each in annotation if not getattr(each, "is_written", True))
            return Shape(Kind.ENUM, tuple(annotation), tuple(later), annotation)
        simple = {str: Kind.TEXT, int: Kind.INTEGER, bool: Kind.BOOLEAN}
        if annotation in simple:
            return Shape(simple[annotation])
    raise TypeError(f"no shape for {annotation!r}")


def _union(members: list[Any]) -> Shape:
    if len(members) == 1:
        return shape_of(members[0])
    named = shape_of(members[0])
    if named.kind == Kind.ENUM:  # a name, or a GUID
        return Shape(Kind.ENUM_OR_GUID, named.choices, named.later, named.make)
    raise TypeError(f"no shape for {members!r}")
