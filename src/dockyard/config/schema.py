"""JSON schema (draft 2020-12) of the configuration files, for editors and other tools.

Made from the models, so that it cannot fall behind them. A schema knows less than the reader: what
may stand together across the file is for `validate-config`.
"""

from __future__ import annotations

from typing import Any

from dockyard.config.shape import Field, Kind, Shape, fields_of
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


def json_schema(model: type[Model] = Image) -> dict[str, Any]:
    """The schema of a file that holds one model."""
    definitions: dict[str, Any] = {}
    root = _object(model, definitions)
    return {
        "$schema": DRAFT,
        "title": model.__name__,
        **root,
        "$defs": {name: definitions[name] for name in sorted(definitions)},
    }


def _object(model: type[Model], definitions: dict[str, Any]) -> dict[str, Any]:
    properties = {key: _property(field, definitions) for key, field in fields_of(model).items()}
    return {
        "description": (model.__doc__ or "").strip().partition("\n")[0],
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        **model.schema_rules,
    }


def _property(field: Field, definitions: dict[str, Any]) -> dict[str, Any]:
    extra = field.info.json_schema_extra
    rules = dict(extra) if isinstance(extra, dict) else {}
    schema: dict[str, Any] = {"description": field.info.description or ""}
    if field.info.examples:
        schema["examples"] = field.info.examples
    schema["anyOf"] = [{**_value(field.shape, definitions), **rules}, _NULL]
    return schema


def _value(shape: Shape, definitions: dict[str, Any]) -> dict[str, Any]:
    match shape.kind:
        case Kind.MODEL:
            assert shape.model is not None
            return _reference(shape.model, definitions)
        case Kind.LIST:
            assert shape.item is not None
            return {"type": "array", "items": _value(shape.item, definitions)}
        case Kind.MAPPING:
            return {"type": "object", "additionalProperties": _TEXT}
        case Kind.ENUM:
            return {"enum": [*map(str, shape.choices), *([] if shape.filled else [""])]}
        case Kind.ENUM_OR_GUID:
            return {"anyOf": [{"enum": [*map(str, shape.choices), ""]}, _GUID]}
        case Kind.SIZE:
            return _SIZE
        case Kind.SIZE_OR_GROW:
            return {"anyOf": [_SIZE, {"const": "grow"}]}
        case Kind.PERMISSIONS:
            octal = {"type": "string", "pattern": "^(0o)?0*[0-7]{1,3}$"}
            return {"anyOf": [octal, {"type": "integer", "minimum": 0, "maximum": 777}]}
        case Kind.BOOLEAN:
            return {"type": "boolean"}
        case Kind.INTEGER:
            return {"type": "integer"}
        case Kind.DATE:
            pattern = r"^(\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2}))?)?$"
            return {"type": "string", "pattern": pattern}
        case Kind.TEXT | Kind.LOCAL_PATH:
            return dict(_TEXT)


def _reference(model: type[Model], definitions: dict[str, Any]) -> dict[str, Any]:
    name = model.__name__
    if name not in definitions:
        definitions[name] = {}  # before its members, which may lead back here
        definitions[name] = _object(model, definitions)
    reference = {"$ref": f"#/$defs/{name}"}
    return {"anyOf": [{"type": "string"}, reference]} if model.shorthand else reference
