"""Reference pages of Dockyard's files, and the page of differences: Markdown from the models."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Any

from dockyard.config.differences import DIFFERENCES
from dockyard.config.outcomes import OUTCOMES
from dockyard.config.shape import Field, Shape, ValueKind, fields_of
from dockyard.model.base import Model
from dockyard.model.image import Image, InjectFilesConfig, PackageList

_KINDS = {
    ValueKind.TEXT: "text",
    ValueKind.LOCAL_PATH: "path",
    ValueKind.INTEGER: "whole number",
    ValueKind.BOOLEAN: "`true` or `false`",
    ValueKind.DATE: "date or time",
    ValueKind.SIZE: "size",
    ValueKind.SIZE_OR_GROW: "size, or `grow`",
    ValueKind.PERMISSIONS: "octal digits",
    ValueKind.MODE: "octal digits, quoted",
}
_INTRODUCTION = """\
# The image file

Every key, made from the models that read the file. Unknown keys are errors. A key without a value
is a key that is not there. Sizes are whole mebibytes, written `512M`, `4G`, `1T`. Paths on the
building machine are relative to the file that says them; paths inside the image are absolute.
"""
# What a table calls a model, in Markdown.
Named = Callable[[type[Model]], str]


def markdown() -> str:
    """The reference page of the image file: one section per object, one table row per key."""
    parts = [_INTRODUCTION, *_sections(Image, "The top of the file", "")]
    for model, title in (
        (InjectFilesConfig, "The file of `inject-files`"),
        (PackageList, "Package lists"),
    ):
        parts += [f"# {title}\n", *_sections(model, "The top of the file", "")]
    return "\n".join(parts).rstrip() + "\n"


def _sections(top: type[Model], title: str, path: str) -> list[str]:
    places: dict[type[Model], list[str]] = {}
    _walk(top, path, places)

    def named(model: type[Model]) -> str:
        return f"{model.__name__}{' or text' if model.shorthand else ''}"

    return [
        section(model, ", ".join(f"`{place}`" for place in paths if place) or title, named)
        for model, paths in places.items()
    ]


def section(model: type[Model], heading: str, named: Named) -> str:
    """What a model is, and a table of its keys."""
    about = re.split(r"\n\s*\n", (model.__doc__ or "").strip())
    return (
        f"## {heading}\n\n" + "\n\n".join(" ".join(part.split()) for part in about) + "\n\n"
        "| Key | Type | Default | What it says | Example |\n"
        "| --- | --- | --- | --- | --- |\n"
        + "\n".join(_row(field, named) for field in fields_of(model).values())
        + "\n"
    )


def _walk(model: type[Model], path: str, places: dict[type[Model], list[str]]) -> None:
    if model in places and "*" in path:
        return  # below free names stands what stands above
    places.setdefault(model, []).append(path)
    for key, field in fields_of(model).items():
        shape, below = field.shape, f"{path}.{key}" if path else key
        if shape.kind == ValueKind.LIST and shape.item is not None:
            shape, below = shape.item, f"{below}[]"
        if shape.kind == ValueKind.MAPPING and shape.item is not None:
            shape, below = shape.item, f"{below}.*"
        if shape.kind == ValueKind.MODEL and shape.model is not None:
            _walk(shape.model, below, places)


def _row(field: Field, named: Named) -> str:
    cells = (
        f"`{field.key}`",
        _type(field.shape, named),
        _default(field),
        field.told.description,
        _examples(field.told.examples),
    )
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _type(shape: Shape, named: Named) -> str:
    match shape.kind:
        case ValueKind.ENUM | ValueKind.ENUM_OR_GUID:
            guid = ", or a GUID" if shape.kind == ValueKind.ENUM_OR_GUID else ""
            return _choices(shape) + guid
        case ValueKind.LIST if shape.item is not None:
            item = _type(shape.item, named)
            return f"{item}, or a list of it" if shape.one_or_many else f"list of {item}"
        case ValueKind.MAPPING if shape.item is not None:
            return f"mapping of text to {_type(shape.item, named)}"
        case ValueKind.MODEL if shape.model is not None:
            return named(shape.model)
        case ValueKind.BOOLEAN if shape.choices:
            return f"`true`, `false` or {_choices(shape)}"
    return _KINDS[shape.kind]


def _choices(shape: Shape) -> str:
    return ", ".join(f"`{choice}`" for choice in shape.choices)


def _default(field: Field) -> str:
    default: Any = field.default
    if field.needed:
        return "needed"
    if default is None or default in ("", (), {}) or isinstance(default, Model):
        return ""
    if isinstance(default, StrEnum):
        return f"`{default.value}`"
    if field.shape.kind is ValueKind.MODE:
        return f'`"{default:04o}"`'
    return f"`{json.dumps(default)}`"


def _examples(examples: Sequence[Any]) -> str:
    return ", ".join(
        f"`{text}`"
        for text in (
            item if isinstance(item, str) else json.dumps(item, ensure_ascii=False)
            for item in examples
        )
    ).replace("\n", "\\n")


def differences_markdown() -> str:
    """The page that says where our verdict on a file differs from Image Customizer's."""
    parts = [
        "# Differences from Image Customizer\n",
        "Every file that Image Customizer accepts is accepted, and every file that it refuses is "
        "refused, but for these:\n",
    ]
    for item in DIFFERENCES:
        verdict = (
            "accepted here, refused there"
            if item.ours == "valid"
            else ("refused here, accepted there")
        )
        parts.append(f"## {item.title}\n\n*{verdict}.* {item.reason}\n")
        parts += [f"```yaml\n{example.rstrip()}\n```\n" for example in item.examples]
    parts.append("# What comes out is different\n")
    for each in OUTCOMES:
        parts.append(f"## {each.title}\n\n*There:* {each.theirs}\n\n*Here:* {each.ours}\n")
    return "\n".join(parts).rstrip() + "\n"
