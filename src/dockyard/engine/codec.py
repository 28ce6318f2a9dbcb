"""Values as JSON and back, by their types: how a step's arguments become data.

Plain values stay as they are; bytes become base64, paths, UUIDs and members of enumerations their
text, tuples lists, sets sorted lists, dataclasses objects of their fields, without those that have
the default value. Where a type is one of several dataclasses, the object names its class under
`type`. A field of type `Beside[…]` belongs to what a function needs and does not shape its outcome;
a value with a property `identity` says itself what shapes it, such as a digest in place of a
secret.
"""

from __future__ import annotations

import base64
import dataclasses
import types
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from enum import Enum
from functools import cache
from pathlib import Path
from typing import (
    Annotated,
    Any,
    Literal,
    TypeAlias,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)
from uuid import UUID

T = TypeVar("T")
_BESIDE = "beside"
_MISSING = dataclasses.MISSING
_PLAIN = (bool, int, float, str, type(None))

Beside: TypeAlias = Annotated[T, _BESIDE]
"""The type of a field that does not shape what is made of it, such as a position for messages or an
address where bytes of a known digest are fetched.
"""


def encode(value: Any) -> Any:
    """A value as JSON values. Raises TypeError for one that has no such form."""
    return _encoded(value, whole=True)


def identity_of(value: Any) -> Any:
    """What of a value shapes an outcome, as JSON values."""
    return _encoded(value, whole=False)


def _encoded(value: Any, *, whole: bool) -> Any:
    if type(value) in _PLAIN:
        return value
    if type(value) is tuple:
        return [_encoded(item, whole=whole) for item in value]
    if not whole:
        own = getattr(value, "identity", None)
        if own is not None:
            return own
    match value:
        case Enum():
            return _encoded(value.value, whole=whole)
        case bytes():
            return base64.b64encode(value).decode()
        case Path() | UUID():
            return str(value)
        case str() | int():  # of a derived class
            return value
        case Mapping():
            return {_key(key): _encoded(item, whole=whole) for key, item in value.items()}
        case AbstractSet():
            return sorted(_encoded(item, whole=whole) for item in value)
        case Sequence():
            return [_encoded(item, whole=whole) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        found: dict[str, Any] = {"type": type(value).__name__} if _tagged(type(value)) else {}
        for name, default, beside in _fields(type(value)):
            item = getattr(value, name)
            if item is default or (beside and not whole):
                continue
            if type(item) is not type(default) or item != default:
                found[name] = _encoded(item, whole=whole)
        return found
    raise TypeError(f"{type(value).__name__} has no form as JSON")


def _key(key: Any) -> str:
    return key if type(key) is str else str(_encoded(key, whole=True))


@cache
def _beside(of: type) -> frozenset[str]:
    """The fields of a dataclass that do not shape an outcome."""
    if not any("Beside" in str(field.type) for field in dataclasses.fields(of)):
        return frozenset()  # nothing to resolve
    hints = get_type_hints(of, include_extras=True)
    return frozenset(name for name, hint in hints.items() if _BESIDE in get_args(hint)[1:])


@cache
def _fields(of: type) -> tuple[tuple[str, Any, bool], ...]:
    """The fields of a dataclass: name, default, and whether it does not shape an outcome."""
    beside = _beside(of)
    return tuple(
        (
            field.name,
            field.default if field.default_factory is _MISSING else field.default_factory(),
            field.name in beside,
        )
        for field in dataclasses.fields(of)
    )


@cache
def _tagged(of: type) -> bool:
    """Whether a dataclass may stand for a value of several: it has no field of that name."""
    return all(field.name != "type" for field in dataclasses.fields(of))


def decode(of: type[T], value: Any) -> T:
    """A value of a type, from what `encode` made of it. Raises TypeError or ValueError."""
    decoded: T = _decoder(cast(Any, of))(value)
    return decoded


@cache
def _decoder(of: Any) -> Callable[[Any], Any]:
    if of is Any or of is object or of in _PLAIN or of is None:
        return _as_it_is
    if of is bytes:
        return base64.b64decode
    origin, arguments = get_origin(of), get_args(of)
    if origin is Literal:
        return _as_it_is
    if origin is Annotated:
        return _decoder(arguments[0])
    if origin in (Union, types.UnionType):
        return _union(arguments)
    if origin is tuple:
        return _tuple(arguments)
    if origin is not None and issubclass(origin, Mapping):
        return _mapping(*arguments)
    if origin is not None and issubclass(origin, AbstractSet):
        item = _decoder(arguments[0])
        return lambda value: frozenset(map(item, value))
    if origin is not None and issubclass(origin, Sequence):
        item = _decoder(arguments[0])
        return lambda value: tuple(map(item, value))
    if isinstance(of, type) and dataclasses.is_dataclass(of):
        return _dataclass(of)
    if isinstance(of, type) and issubclass(of, Enum | Path | UUID):
        return of
    raise TypeError(f"{of} has no form as JSON")


def _as_it_is(value: Any) -> Any:
    return value


def _mapping(key: Any, item: Any) -> Callable[[Any], Any]:
    keys, items = _decoder(key), _decoder(item)
    return lambda value: {keys(name): items(one) for name, one in value.items()}


def _tuple(arguments: tuple[Any, ...]) -> Callable[[Any], Any]:
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        item = _decoder(arguments[0])
        return lambda value: tuple(map(item, value))
    items = [_decoder(each) for each in arguments]
    return lambda value: tuple(decoder(one) for decoder, one in zip(items, value, strict=True))


def _union(arguments: tuple[type, ...]) -> Callable[[Any], Any]:
    """Null and plain values tell themselves apart, dataclasses by the name of their class."""
    named: dict[str, Any] = {
        each.__name__: each for each in arguments if dataclasses.is_dataclass(each)
    }
    others = [each for each in arguments if not dataclasses.is_dataclass(each)]
    odd = [each for each in others if each not in _PLAIN]

    def decoded(value: Any) -> Any:
        if value is None:
            return None
        if isinstance(value, dict) and named:
            only = next(iter(named)) if len(named) == 1 else value["type"]
            return _decoder(named[only])(value)
        if type(value) in others:
            return value
        if len(odd) != 1:
            raise TypeError(f"{value!r} may be any of {arguments}")
        return _decoder(odd[0])(value)

    return decoded


def _dataclass(of: type) -> Callable[[Any], Any]:
    hints: dict[str, Any] = {}

    def decoded(value: Any) -> Any:
        if not hints:  # at first use: a dataclass may be made of itself
            found = get_type_hints(of, include_extras=True)
            hints.update({field.name: found[field.name] for field in dataclasses.fields(of)})
        unknown = value.keys() - hints.keys() - {"type"}
        if unknown:
            raise TypeError(f"{of.__name__} has no {', '.join(sorted(unknown))}")
        return of(**{name: _decoder(hints[name])(one) for name, one in value.items()
                     if name in hints})  # fmt: skip

    return decoded
