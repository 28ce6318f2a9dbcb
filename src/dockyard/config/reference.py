"""The reference page of the image file, and the page of differences: Markdown from the models."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Any

from pydantic_core import PydanticUndefined

from dockyard.config.differences import DIFFERENCES
from dockyard.config.shape import Field, Kind, Shape, fields_of
from dockyard.model.base import Model
from dockyard.model.image import Image, InjectFilesConfig, PackageList

_KINDS = {
    Kind.TEXT: "text",
    Kind.LOCAL_PATH: "path",
    Kind.INTEGER: "whole number",
    Kind.BOOLEAN: "`true` or `false`",
    Kind.DATE: "date or time",
    Kind.SIZE: "size",
    Kind.SIZE_OR_GROW: "size, or `grow`",
    Kind.PERMISSIONS: "octal digits",
    Kind.MAPPING: "mapping of text to text",
}
_INTRODUCTION = """\
# The image file

Every key, made from the models that read the file. Unknown keys are errors. A key without a value
is a key that is not there. Sizes are whole mebibytes, written `512M`, `4G`, `1T`. Paths on the
building machine are relative to the file that says them; paths inside the image are absolute.
"""


def markdown() -> str:
    """The reference page: one section per object, one table row per key."""
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
    sections = []
    for model, paths in places.items():
        heading = ", ".join(f"`{place}`" for place in paths if place) or title
        rows = [_row(field) for field in fields_of(model).values()]
        sections.append(
            f"## {heading}\n\n{' '.join((model.__doc__ or '').split())}\n\n"
            "| Key | Type | Default | What it says | Example |\n"
            "| --- | --- | --- | --- | --- |\n" + "\n".join(rows) + "\n"
        )
    return sections


def _walk(model: type[Model], path: str, places: dict[type[Model], list[str]]) -> None:
    places.setdefault(model, []).append(path)
    for key, field in fields_of(model).items():
        shape, below = field.shape, f"{path}.{key}" if path else key
        if shape.kind == Kind.LIST and shape.item is not None:
            shape, below = shape.item, f"{below}[]"
        if shape.kind == Kind.MODEL and shape.model is not None:
            _walk(shape.model, below, places)


def _row(field: Field) -> str:
    cells = (
        f"`{field.key}`",
        _type(field.shape),
        _default(field),
        field.info.description or "",
        _example(field.info.examples),
    )
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _type(shape: Shape) -> str:
    if shape.kind in (Kind.ENUM, Kind.ENUM_OR_GUID):
        choices = ", ".join(f"`{choice}`" for choice in shape.choices)
        return choices + (", or a GUID" if shape.kind == Kind.ENUM_OR_GUID else "")
    if shape.kind == Kind.LIST and shape.item is not None:
        return f"list of {_type(shape.item)}"
    if shape.kind == Kind.MODEL and shape.model is not None:
        return f"{shape.model.__name__}{' or text' if shape.model.shorthand else ''}"
    return _KINDS[shape.kind]


def _default(field: Field) -> str:
    default: Any = field.info.default
    if isinstance(default, StrEnum):
        return f"`{default.value}`"
    if default is PydanticUndefined or default is None or default in ("", ()):
        return ""
    return f"`{json.dumps(default)}`"


def _example(examples: list[Any] | None) -> str:
    return ", ".join(
        f"`{text}`"
        for text in (
            item if isinstance(item, str) else json.dumps(item, ensure_ascii=False)
            for item in (examples or [])
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
    return "\n".join(parts).rstrip() + "\n"
