"""The reference page of a distribution's files: Markdown from their models."""

from __future__ import annotations

import json
import re
from collections.abc import Container, Mapping
from typing import Any

from pydantic import BaseModel

from dockyard.model import distro as model

_FILES: tuple[tuple[type[BaseModel], str], ...] = (
    (model.Distro, "`distro.yaml`"),
    (model.TrustedKey, "`trustedKey`"),
    (model.Repository, "A repository"),
    (model.Upstream, "`upstream`"),
    (model.DebianUpstream, "`upstream.debian`"),
    (model.DebianSuite, "A suite"),
    (model.ComponentsFile, "A file of components"),
    (model.Component, "A component"),
    (model.Package, "A package of our own"),
    (model.File, "A file"),
    (model.Directory, "A directory"),
    (model.Attribute, "An attribute"),
    (model.ScriptletsFile, "The file of scriptlets"),
    (model.Scriptlet, "A scriptlet"),
)
_INTRODUCTION = """\
# The files of a distribution

Every key, made from the models that read the files. Unknown keys are errors.
"""
_BASES = (model._Relations, model._Payload)


def markdown() -> str:
    """The reference page: what the files are, and one section per object."""
    about = (model.__doc__ or "").strip().partition("\n\n")[2]
    return (
        "\n".join(
            [_INTRODUCTION, about + "\n", *(_section(each, title) for each, title in _FILES)]
        ).rstrip()
        + "\n"
    )


def _section(of: type[BaseModel], title: str) -> str:
    schema = of.model_json_schema(by_alias=True)
    fields = schema["properties"]
    about: list[str] = []
    said: dict[str, str] = {}
    for each in (of, *(base for base in _BASES if issubclass(of, base))):
        for paragraph in (each.__doc__ or "").split("\n\n"):
            plain, keys = _told(paragraph, fields)
            said = {**keys, **said}
            # What a base says of itself is no matter of the object's.
            about += [plain] if plain and each is of else []
    needed = set(schema.get("required", ()))
    rows = [
        f"| `{key}` | {_type(field, key)} | {_default(field, key, key in needed)} "
        f"| {said.get(key, '')} |"
        for key, field in fields.items()
    ]
    return (
        f"## {title}\n\n" + "\n\n".join(about) + "\n\n"
        "| Key | Type | Default | What it says |\n| --- | --- | --- | --- |\n"
        + "\n".join(rows)
        + "\n"
    )


def _told(paragraph: str, fields: Container[str]) -> tuple[str, dict[str, str]]:
    """What a paragraph of a docstring says at its beginning, and what of which keys."""
    text = " ".join(paragraph.split())
    found = [
        match
        for match in re.finditer(r"(?:^|(?<=[.)] ))(\w+(?:, \w+)*): ", text)
        if all(name in fields for name in match[1].split(", "))
    ]
    ends = [match.start() for match in found[1:]] + [len(text)]
    said = (
        {
            name: text[match.end() : end].strip().replace("|", "\\|")
            for match, end in zip(found, ends, strict=True)
            for name in match[1].split(", ")
        }
        if found
        else {}
    )
    return text[: found[0].start() if found else len(text)].strip(), said


def _type(field: Mapping[str, Any], key: str = "") -> str:
    if key == "mode":
        return "octal digits, quoted"
    if "$ref" in field:
        name = field["$ref"].rpartition("/")[2]
        title = next((title for each, title in _FILES if each.__name__ == name), "")
        if title:
            return f"[{name}](#{_anchor(title)})"
        return ", ".join(f"`{each}`" for each in getattr(model, name))
    if "anyOf" in field:
        kinds = [_type(each) for each in field["anyOf"] if each.get("type") != "null"]
        return " or ".join(kinds)
    if "enum" in field or "const" in field:
        values = field.get("enum") or [field["const"]]
        return ", ".join(f"`{value}`" for value in values)
    if field.get("type") == "array" and "items" in field:
        return f"list of {_type(field.get('items', {}))}"
    if field.get("type") == "object":
        values = field.get("additionalProperties") or next(
            iter(field.get("patternProperties", {}).values()), {}
        )
        return f"mapping of text to {_type(values)}"
    kinds_of = {"string": "text", "integer": "whole number", "boolean": "`true` or `false`"}
    return kinds_of.get(str(field.get("type")), "any")


def _anchor(title: str) -> str:
    return re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-")


def _default(field: Mapping[str, Any], key: str, needed: bool) -> str:
    if needed:
        return "needed"
    default = field.get("default")
    if default is None or default in ("", [], {}):
        return ""
    return f'`"0{default:o}"`' if key == "mode" else f"`{json.dumps(default)}`"
