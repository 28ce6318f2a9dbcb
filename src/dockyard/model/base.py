"""The foundation of the configuration models: naming, strictness, and how a model states a rule.

A model says what a value may be in its annotations. What values may stand together is said by
`Model.mistakes`, which looks at one object and yields one `Mistake` per broken rule. It names the
offending value by its path below the object; whoever read the text turns the path into a line.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, ClassVar, TypeAlias

from pydantic import BaseModel, ConfigDict, JsonValue
from pydantic.alias_generators import to_camel

from dockyard.errors import Severity

Step: TypeAlias = str | int
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

    path: tuple[Step, ...]
    code: str
    what: str
    fix: str = ""
    why: str = ""
    reads: tuple[tuple[Step, ...], ...] = ((),)
    severity: Severity = Severity.ERROR


class Model(BaseModel):
    """One mapping of a configuration file. Frozen; unknown keys are errors."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        defer_build=True,
    )

    # The key that a bare string stands for, where the mapping has a short form.
    shorthand: ClassVar[str | None] = None
    # Rules of the whole mapping that a JSON schema can say.
    schema_rules: ClassVar[dict[str, Any]] = {}

    @classmethod
    def split_shorthand(cls, text: str) -> dict[str, str]:
        """The keys and values that a bare string stands for."""
        return {cls.shorthand: text} if cls.shorthand else {}

    def mistakes(self) -> Iterable[Mistake]:
        """The broken rules of this object alone; its members speak for themselves."""
        return ()


class Reading(StrEnum):
    """How the text of a scalar becomes a value, where the type alone does not say it."""

    SIZE = "size"
    SIZE_OR_GROW = "size-or-grow"
    PERMISSIONS = "permissions"
    LOCAL_PATH = "local-path"


# What a JSON schema can say of a path inside the image.
TARGET_PATH: dict[str, JsonValue] = {"pattern": r"^/(?!(.*/)?\.\.(/|$))"}
NOT_EMPTY: dict[str, JsonValue] = {"minLength": 1}

# Bytes. In YAML `<number>(K|M|G|T)`, always whole mebibytes.
Size: TypeAlias = Annotated[int, Reading.SIZE]
# Permission bits. In YAML octal digits, quoted or not: "755", 0644.
Permissions: TypeAlias = Annotated[int, Reading.PERMISSIONS]
# A path on the machine that builds, relative to the file that says it.
LocalPath: TypeAlias = Annotated[str, Reading.LOCAL_PATH]


def absolute_path_mistakes(path: str, *at: Step, instead: str = "") -> Iterator[Mistake]:
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
            "Linux can hold no longer ones",
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


def _key(path: tuple[Step, ...]) -> str:
    return next((step for step in reversed(path) if isinstance(step, str)), "")


# Blanks break a line of fstab, colons and commas the options of a mount.
_SEPARATORS = " \t\n\r:,"


def separator_mistakes(path: str, *at: Step) -> Iterator[Mistake]:
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
