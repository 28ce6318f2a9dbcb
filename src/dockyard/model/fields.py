"""What a model says about one key of a file: in words, by example, and as rules of its value.

An annotation says what a value is; `field` says the rest. The reader, the JSON schema and the
reference pages are made from both, so no fact about a key stands anywhere else.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, TypeAlias, TypeVar, overload

T = TypeVar("T")
_METADATA = "described"


class Reading(StrEnum):
    """How the text of a scalar becomes a value, where the type alone does not say it."""

    DATE = "date"
    LOCAL_PATH = "local-path"
    MODE = "mode"
    PERMISSIONS = "permissions"
    SIZE = "size"
    SIZE_OR_GROW = "size-or-grow"


class Mark(StrEnum):
    """What else an annotation may say of a value.

    FILLED: of an enumeration: an empty text is a mistake, not a value that is not given.
    GUID: of a text: it is a GUID.
    ONE_OR_MANY: of a list: a single value stands for the list that holds it alone.
    """

    FILLED = "filled"
    GUID = "guid"
    ONE_OR_MANY = "one-or-many"


@dataclass(frozen=True, slots=True, eq=False)
class ValueRule:
    """What every value of a type must be.

    wrong: says what is wrong with a value, or "".
    schema: what of it a JSON schema can say.
    """

    code: str
    wrong: Callable[[Any], str]
    fix: str
    schema: dict[str, Any] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Described:
    """What `field` was told.

    written: the key in the file, where it is not the field's name in camelCase.
    schema: what a JSON schema says of the value beyond its type.
    """

    description: str
    examples: Sequence[Any]
    schema: dict[str, Any]
    written: str


@overload
def field(
    description: str,
    *,
    default: T,
    examples: Sequence[Any] = (),
    schema: dict[str, Any] | None = None,
    written: str = "",
) -> T: ...


@overload
def field(
    description: str,
    *,
    default_factory: Callable[[], T],
    examples: Sequence[Any] = (),
    schema: dict[str, Any] | None = None,
    written: str = "",
) -> T: ...


@overload
def field(
    description: str,
    *,
    examples: Sequence[Any] = (),
    schema: dict[str, Any] | None = None,
    written: str = "",
) -> Any: ...


def field(
    description: str,
    *,
    examples: Sequence[Any] = (),
    schema: dict[str, Any] | None = None,
    written: str = "",
    **default: Any,
) -> Any:
    """One key of a model. Without a default it must be given."""
    described = Described(description, examples, schema or {}, written)
    return dataclasses.field(metadata={_METADATA: described}, **default)


def described(known: dataclasses.Field[Any]) -> Described:
    """What `field` was told."""
    found: Described = known.metadata[_METADATA]
    return found


# Bytes. In YAML `<number>(K|M|G|T)`, always whole mebibytes.
Size: TypeAlias = Annotated[int, Reading.SIZE]
# Permission bits. In YAML octal digits, quoted or not: "755", 0644.
Permissions: TypeAlias = Annotated[int, Reading.PERMISSIONS]
# A path on the machine that builds, relative to the file that says it.
LocalPath: TypeAlias = Annotated[str, Reading.LOCAL_PATH]
# A day, or a second with its time zone (RFC 3339).
Date: TypeAlias = Annotated[str, Reading.DATE]
