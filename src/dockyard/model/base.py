"""The foundation of the configuration models: naming, strictness, and how a model states a rule.

A model says what a value may be in its annotations. What values may stand together is said by
`Model.mistakes`, which looks at one object and yields one `Mistake` per broken rule. It names the
offending value by its path below the object; the reader of the text turns the path into a line.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, NoReturn, TypeAlias, dataclass_transform

from dockyard.errors import Severity
from dockyard.model.fields import described, field

# One step of the path to a value: a key, or an index of a list.
Segment: TypeAlias = str | int
ANY = -1
KIB = 1 << 10
MIB = 1 << 20
# NAME_MAX, and PATH_MAX without the NUL at the end (limits.h).
LONGEST_NAME = 255
LONGEST_PATH = 4095


@dataclass(frozen=True, slots=True)
class Mistake:
    """A broken rule.

    path: leads from the object to the offending value, by YAML keys and indices.
    reads: the parts of the object that the rule looked at; where one of them could not be read,
    the mistake may be none and is not reported. `ANY` stands for each item of a list. Default: the
    whole object.
    severity: an error, unless the file is valid all the same.
    """

    path: tuple[Segment, ...]
    code: str
    what: str
    fix: str = ""
    why: str = ""
    reads: tuple[tuple[Segment, ...], ...] = ((),)
    severity: Severity = Severity.ERROR


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(field,))
class Model:
    """One mapping of a configuration file. Frozen; unknown keys are errors.

    Every subclass is a dataclass whose fields are made by `field`. It takes its methods from here:
    code of its own for each, which `dataclass` would write, takes half a millisecond at every
    start. Modules with models do not postpone annotations, for the reader looks at them as types.
    """

    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]
    _fields: ClassVar[tuple[dataclasses.Field[Any], ...]] = ()

    # The key that a bare string stands for, where the mapping has a short form.
    shorthand: ClassVar[str | None] = None
    # Rules of the whole mapping that a JSON schema can say.
    schema_rules: ClassVar[dict[str, Any]] = {}

    def __init_subclass__(cls) -> None:
        dataclass(init=False, repr=False, eq=False)(cls)
        cls._fields = dataclasses.fields(cls)

    def __init__(self, **values: Any) -> None:
        mine = self.__dict__
        for known in self._fields:
            if known.name in values:
                mine[known.name] = values.pop(known.name)
            elif known.default is not dataclasses.MISSING:
                mine[known.name] = known.default
            elif known.default_factory is not dataclasses.MISSING:
                mine[known.name] = known.default_factory()
            else:
                raise TypeError(f"{type(self).__name__} needs {known.name}")
        if values:
            raise TypeError(f"{type(self).__name__} has no {', '.join(values)}")

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise dataclasses.FrozenInstanceError(f"cannot assign to {name!r}")

    def __delattr__(self, name: str) -> NoReturn:
        raise dataclasses.FrozenInstanceError(f"cannot delete {name!r}")

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        return hash((type(self), *self.__dict__.values()))

    def __repr__(self) -> str:
        """Only what differs from the default."""
        said = (
            f"{known.name}={value!r}"
            for known, value in zip(self._fields, self.__dict__.values(), strict=True)
            if value != known.default
        )
        return f"{type(self).__name__}({', '.join(said)})"

    @classmethod
    def split_shorthand(cls, text: str) -> dict[str, str]:
        """The keys and values that a bare string stands for."""
        return {cls.shorthand: text} if cls.shorthand else {}

    def mistakes(self) -> Iterable[Mistake]:
        """The broken rules of this object alone; its members speak for themselves."""
        return ()


def as_written(value: Any) -> Any:
    """A model as plain data by the keys of its file, every default included."""
    if isinstance(value, Model):
        names = written_names(type(value))
        return {names[name]: as_written(item) for name, item in value.__dict__.items()}
    if isinstance(value, tuple):
        return [as_written(item) for item in value]
    if isinstance(value, dict):
        return {name: as_written(item) for name, item in value.items()}
    return value


def written_names(model: type[Model]) -> dict[str, str]:
    """The keys of a model's file, by the names of their fields."""
    return {
        known.name: described(known).written or _camel(known.name)
        for known in dataclasses.fields(model)
    }


def _camel(name: str) -> str:
    first, *more = name.split("_")
    return first + "".join(part.title() for part in more)


# What a JSON schema can say of a path inside the image.
TARGET_PATH: dict[str, Any] = {"pattern": r"^/(?!(.*/)?\.\.(/|$))"}
NOT_EMPTY: dict[str, Any] = {"minLength": 1}


def absolute_path_mistakes(path: str, *at: Segment, instead: str = "") -> Iterator[Mistake]:
    """The rules of a path inside the image: absolute, it stays inside, and Linux can hold it.

    instead: what to suggest for a relative path.
    """
    parts = path.split("/")
    if not path:
        yield Mistake(
            at, "config.empty", f"`{_key(at)}` is empty", "give an absolute path", reads=(at,)
        )
    elif "\0" in path:
        yield Mistake(
            at, "config.path", "a path cannot hold NUL", "remove the character", reads=(at,)
        )
    elif max(len(part.encode()) for part in parts) > LONGEST_NAME or len(path) > LONGEST_PATH:
        yield Mistake(
            at,
            "config.path-too-long",
            f"the path {path!r} is too long, or a name in it",
            f"use names of up to {LONGEST_NAME} bytes (UTF-8) in a path of up to {LONGEST_PATH}",
            "Linux allows no longer ones",
            reads=(at,),
        )
    elif ".." in parts:
        yield Mistake(
            at,
            "config.path-escapes",
            f"{path!r} contains '..'",
            "write the absolute path inside the image, without '..'",
            "a path inside the image must not be able to lead out of it",
            reads=(at,),
        )
    elif not path.startswith("/"):
        yield Mistake(
            at,
            "config.path-relative",
            f"{path!r} is not an absolute path",
            f"write {instead or '/' + path.removeprefix('./')!r}",
            "paths inside the image are absolute",
            reads=(at,),
        )


def _key(path: tuple[Segment, ...]) -> str:
    return next((step for step in reversed(path) if isinstance(step, str)), "")


# Blanks break a line of fstab, colons and commas the options of a mount.
_SEPARATORS = " \t\n\r:,"


def separator_mistakes(path: str, *at: Segment) -> Iterator[Mistake]:
    """The rule of a path that stands among mount options: no blank, colon or comma."""
    if any(character in path for character in _SEPARATORS):
        yield Mistake(
            at,
            "config.path-characters",
            f"{path!r} has a blank, a colon or a comma",
            "choose a path without them",
            "they separate the fields and options of a mount",
            reads=(at,),
        )


def has_blank(text: str) -> bool:
    """Whether the text holds a space, tab or newline (what breaks a line of fstab)."""
    return any(character in text for character in " \t\n\r")
