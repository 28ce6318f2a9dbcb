"""What makes several images of one file: variables, and the matrix over them.

A variable stands in a value as `${{ name }}`, in the file that declares it; `${{ variant }}` is the
name of the image among those of its file. The value is, the first
that is there: what the matrix says, what `--set` says, what a file says that builds on this one,
the default.
"""

import re
from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Any, ClassVar, TypeAlias

from dockyard.model.base import Mistake, Model
from dockyard.model.fields import Mark, ValueRule, field

# The axis of a matrix that chooses profiles, not the values of a variable.
PROFILE = "profile"
# Stands for what tells an image from the others of its file: the values of the axes, by `-`.
VARIANT = "variant"
# More images than anybody builds of one file; a slip of the pen makes thousands.
MOST_VARIANTS = 1000

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,62}")
_AXIS_VALUE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,62}")
_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,17})")


class VariableType(StrEnum):
    """What the values of a variable are."""

    STRING = "string"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    LIST = "list"


def _wrong_name(text: str) -> str:
    return "" if _NAME.fullmatch(text) else f"{text!r} cannot be a name here"


def _wrong_variable(text: str) -> str:
    if text in (PROFILE, VARIANT):
        return f"{text!r} is no variable, it has a meaning of its own"
    return _wrong_name(text)


def _wrong_axis_value(text: str) -> str:
    return "" if _AXIS_VALUE.fullmatch(text) else f"{text!r} cannot be the value of an axis"


# Of a variable, an axis or a profile.
Name: TypeAlias = Annotated[
    str,
    ValueRule(
        "config.name",
        _wrong_name,
        "write a letter, and then letters, digits, `-` and `_`",
    ),
]
VariableName: TypeAlias = Annotated[
    str,
    ValueRule(
        "config.name",
        _wrong_variable,
        "write another name: a letter, and then letters, digits, `-` and `_`",
    ),
]
AxisValue: TypeAlias = Annotated[
    str,
    ValueRule(
        "config.axis-value",
        _wrong_axis_value,
        "write letters, digits, `.`, `_`, `+` and `-`: the names of images are made of them",
    ),
]
# One value, or a list of them; as text, whatever their type.
Values: TypeAlias = Annotated[tuple[str, ...], Mark.ONE_OR_MANY]


class Variable(Model):
    """A value that is chosen when the image is made."""

    type: VariableType = field(
        "What its values are.", default=VariableType.STRING, examples=["boolean"]
    )
    default: Values | None = field(
        "The value where nothing else says one; without it, one must be said. A list for `type: "
        "list`, else one value.",
        default=None,
        examples=["ext4"],
    )
    values: tuple[str, ...] = field(
        "The values that it may have. Default: any of its type.",
        default=(),
        examples=[["ext4", "xfs"]],
    )
    description: str = field("What it is for.", default="", examples=["What the root is."])

    def wrong(self, value: tuple[str, ...]) -> str:
        """What is wrong with a value, which is not said: it may be a password. Empty where nothing
        is.
        """
        if self.type is not VariableType.LIST and len(value) != 1:
            return f"it is one value, not {len(value)}"
        for each in value:
            if self.type is VariableType.BOOLEAN and each not in ("true", "false"):
                return "it is neither true nor false"
            if self.type is VariableType.INTEGER and not _INTEGER.fullmatch(each):
                return "it is no whole number"
            if self.values and each not in self.values:
                return f"it is none of {', '.join(self.values)}"
        return ""

    def mistakes(self) -> Iterator[Mistake]:
        if self.default is not None and (what := self.wrong(self.default)):
            yield Mistake(
                ("default",),
                "config.variable-value",
                f"the default does not fit the variable: {what}",
                f"write one of type {self.type}" + (" that is among `values`" * bool(self.values)),
                reads=(("default",), ("values",), ("type",)),
            )


class Matrix(Model):
    """One image for each combination of values."""

    schema_rules: ClassVar[dict[str, Any]] = {"required": ["axes"]}

    axes: dict[Name, tuple[AxisValue, ...]] = field(
        "The values of each axis. An axis is a variable, or `profile`.",
        default_factory=dict,
        examples=[{"filesystem": ["ext4", "xfs"], "profile": ["minimal", "full"]}],
    )
    exclude: tuple[dict[Name, AxisValue], ...] = field(
        "Combinations that are left out: all that have these values.",
        default=(),
        examples=[[{"filesystem": "xfs", "profile": "minimal"}]],
    )

    def mistakes(self) -> Iterator[Mistake]:
        if not self.axes:
            yield Mistake(
                (), "config.required", "the matrix has no `axes`", "add `axes: {name: [value, …]}`",
                reads=(("axes",),),
            )  # fmt: skip
        count = 1
        for name, values in self.axes.items():
            count *= len(values)
            if len(set(values)) < len(values):
                twice = next(each for each in values if values.count(each) > 1)
                yield Mistake(
                    ("axes", name), "config.axis-value", f"the axis {name} has {twice!r} twice",
                    "remove one", reads=(("axes", name),),
                )  # fmt: skip
            elif not values:
                yield Mistake(
                    ("axes", name), "config.axis-value", f"the axis {name} has no values",
                    "add some, or remove the axis", reads=(("axes", name),),
                )  # fmt: skip
        if count > MOST_VARIANTS:
            what = f"the matrix has {count} combinations; at most {MOST_VARIANTS} are made"
            yield Mistake(("axes",), "config.matrix-size", what, "take values out of its axes")
        for index, left_out in enumerate(self.exclude):
            yield from self._unknown(left_out, ("exclude", index))

    def _unknown(self, left_out: dict[str, str], at: tuple[str | int, ...]) -> Iterator[Mistake]:
        if not left_out:
            yield Mistake(at, "config.exclude", "it leaves out everything", "name values of axes")
        for name, value in left_out.items():
            if name not in self.axes:
                what, known = f"there is no axis {name}", ", ".join(self.axes)
            elif value not in self.axes[name]:
                what, known = f"the axis {name} has no {value!r}", ", ".join(self.axes[name])
            else:
                continue
            yield Mistake(
                (*at, name), "config.exclude", what, f"write one of {known}",
                reads=(("axes",), (*at, name)),
            )  # fmt: skip
