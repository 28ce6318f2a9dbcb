"""JSON schemas (draft 2020-12) of the files of a distribution, for editors and other tools.

Made from the models, so that they cannot fall behind them. A schema knows less than the reader:
what must be there across the files is for `dockyard distro build` and its like.
"""

from __future__ import annotations

from pydantic import BaseModel, JsonValue, TypeAdapter

from dockyard.config.schema import DRAFT
from dockyard.model.distro import ComponentsFile, Distro, Package, ScriptletsFile

MODELS: dict[str, type[BaseModel]] = {
    "distro": Distro,
    "distro-components": ComponentsFile,
    "distro-package": Package,
    "distro-scriptlets": ScriptletsFile,
}
_OBJECT = TypeAdapter(dict[str, JsonValue])


def distro_schema(kind: str) -> dict[str, JsonValue]:
    """The schema of one kind of file; `kind` is a key of MODELS."""
    made = _OBJECT.validate_python(MODELS[kind].model_json_schema(by_alias=True))
    read = _as_yaml(made)
    assert isinstance(read, dict)
    if kind == "distro-components":
        read["properties"] = {"components": _plain_imports(made)}
    return {"$schema": DRAFT, **read}


def _as_yaml(node: JsonValue) -> JsonValue:
    """What YAML takes for a number or a truth value is text where text is wanted: `version: 1`."""
    if isinstance(node, list):
        return [_as_yaml(item) for item in node]
    if not isinstance(node, dict):
        return node
    read = {key: _as_yaml(value) for key, value in node.items()}
    if read.get("type") == "string" and not {"pattern", "enum", "const"} & set(read):
        read["type"] = ["string", "number", "boolean"]
    return read


def _plain_imports(made: dict[str, JsonValue]) -> JsonValue:
    """`components`, where a name alone (`bash:`) declares a plain import."""
    properties = made["properties"]
    assert isinstance(properties, dict)
    components = properties["components"]
    assert isinstance(components, dict)
    patterns = components["patternProperties"]
    assert isinstance(patterns, dict)
    declared: dict[str, JsonValue] = {
        pattern: {"anyOf": [component, {"type": "null"}]} for pattern, component in patterns.items()
    }
    return {**components, "patternProperties": declared}
