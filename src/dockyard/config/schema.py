"""JSON schema (draft 2020-12) of Dockyard's files, for editors and other tools.

Made from the models, so that it cannot fall behind them. A schema knows less than the reader: what
may stand together across a file, or across files, is for the verbs that read them.
"""

from __future__ import annotations

from typing import Any

from dockyard.config.shape import Field, Shape, ValueKind, fields_of
from dockyard.model.base import Model
from dockyard.model.image import Image

DRAFT = "https://json-schema.org/draft/2020-12/schema"
_SIZE = {"type": "string", "pattern": "^(0|[1-9][0-9]*)[KMGT]$"}
_GUID = {
    "type": "string",
    "pattern": "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$",
}
# Text may look like a number, a truth value or a date: `version: 3.0`.
_TEXT = {"type": ["string", "number", "boolean"]}
_NULL = {"type": "null"}
_VARIABLE = {"type": "string", "pattern": r"^\$\{\{ *[A-Za-z][A-Za-z0-9_-]* *\}\}$"}


def json_schema(model: type[Model] = Image) -> dict[str, Any]:
    """The schema of a file that holds one model."""
    definitions: dict[str, Any] = {}
    root = _object(model, definitions)
    if model is Image:
        for each in (root, *definitions.values()):
            _admit_variables(each)
    return {
        "$schema": DRAFT,
        "title": model.__name__,
        **root,
        "$defs": {name: definitions[name] for name in sorted(definitions)},
    }


def _admit_variables(schema: dict[str, Any]) -> None:
    """Let a variable stand for the whole value of any key that is no text."""
    for each in schema["properties"].values():
        either = each.get("anyOf")
        if either and _TEXT not in either:
            either.append(_VARIABLE)


def _object(model: type[Model], definitions: dict[str, Any]) -> dict[str, Any]:
    fields = fields_of(model)
    needed = [key for key, field in fields.items() if field.needed]
    return {
        "description": " ".join((model.__doc__ or "").partition("\n\n")[0].split()),
        "type": "object",
        "properties": {key: _property(field, definitions) for key, field in fields.items()},
        "additionalProperties": False,
        **({"required": needed} if needed else {}),
        **model.schema_rules,
    }


def _property(field: Field, definitions: dict[str, Any]) -> dict[str, Any]:
    schema: dict[str, Any] = {"description": field.told.description}
    if field.told.examples:
        schema["examples"] = list(field.told.examples)
    value = {**_value(field.shape, definitions), **field.told.schema}
    # A key without a value is a key that is not there.
    return {**schema, **value} if field.needed else {**schema, "anyOf": [value, _NULL]}


def _value(shape: Shape, definitions: dict[str, Any]) -> dict[str, Any]:
    rules: dict[str, Any] = {}
    for rule in shape.rules:
        rules |= rule.schema
    if shape.kind == ValueKind.LIST:
        return _list(shape, definitions)
    if shape.kind == ValueKind.MAPPING:
        return _mapping(shape, definitions)
    if shape.kind == ValueKind.MODEL:
        assert shape.model is not None
        return _reference(shape.model, definitions)
    return {**_scalar(shape), **rules}


def _scalar(shape: Shape) -> dict[str, Any]:
    match shape.kind:
        case ValueKind.ENUM:
            return {"enum": [*map(str, shape.choices), *([] if shape.filled else [""])]}
        case ValueKind.ENUM_OR_GUID:
            return {"anyOf": [{"enum": [*map(str, shape.choices), ""]}, _GUID]}
        case ValueKind.SIZE:
            return _SIZE
        case ValueKind.SIZE_OR_GROW:
            return {"anyOf": [_SIZE, {"const": "grow"}]}
        case ValueKind.PERMISSIONS:
            octal = {"type": "string", "pattern": "^(0o)?0*[0-7]{1,3}$"}
            return {"anyOf": [octal, {"type": "integer", "minimum": 0, "maximum": 777}]}
        case ValueKind.MODE:
            return {"type": "string", "pattern": "^[0-7]{3,4}$"}
        case ValueKind.BOOLEAN if shape.choices:
            return {"anyOf": [{"type": "boolean"}, {"enum": list(shape.choices)}]}
        case ValueKind.BOOLEAN:
            return {"type": "boolean"}
        case ValueKind.INTEGER:
            return {"type": "integer"}
        case ValueKind.DATE:
            pattern = r"^(\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2}))?)?$"
            return {"type": "string", "pattern": pattern}
        case _:
            return dict(_TEXT)


def _list(shape: Shape, definitions: dict[str, Any]) -> dict[str, Any]:
    assert shape.item is not None
    item = _value(shape.item, definitions)
    many = {"type": "array", "items": item}
    return {"anyOf": [item, many]} if shape.one_or_many else many


def _mapping(shape: Shape, definitions: dict[str, Any]) -> dict[str, Any]:
    assert shape.names is not None and shape.item is not None
    value = _value(shape.item, definitions)
    # A name without a value is an object of which nothing is said.
    is_optional = shape.item.model is not None and not any(
        field.needed for field in fields_of(shape.item.model).values()
    )
    mapping: dict[str, Any] = {"type": "object"}
    if shape.names.rules:
        mapping["propertyNames"] = {**_value(shape.names, definitions), "type": "string"}
    mapping["additionalProperties"] = {"anyOf": [value, _NULL]} if is_optional else value
    return mapping


def _reference(model: type[Model], definitions: dict[str, Any]) -> dict[str, Any]:
    name = model.__name__
    if name not in definitions:
        definitions[name] = {}  # before its members, which may lead back here
        definitions[name] = _object(model, definitions)
    reference = {"$ref": f"#/$defs/{name}"}
    return {"anyOf": [{"type": "string"}, reference]} if model.shorthand else reference
