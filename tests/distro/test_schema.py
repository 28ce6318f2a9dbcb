"""The schemas of a distribution's files accept Harbor's own, and catch what a schema can."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml
from click.testing import CliRunner

from dockyard.cli.schema import command
from dockyard.config.schema import json_schema
from dockyard.model.base import Model
from dockyard.model.components import ComponentsFile, Package
from dockyard.model.distro import Distro
from dockyard.model.scriptlets import ScriptletsFile

HARBOR = Path(__file__).parents[2] / "distros/harbor"
FILES: dict[type[Model], str] = {
    Distro: "distro.yaml",
    ComponentsFile: "components/*.yaml",
    Package: "packages/*.yaml",
    ScriptletsFile: "scriptlets.yaml",
}


def _yaml_1_2(node: Any) -> Any:
    """`on` is a word, where PyYAML reads YAML 1.1 and sees a truth value."""
    if isinstance(node, dict):
        return {"on" if key is True else key: _yaml_1_2(value) for key, value in node.items()}
    return [_yaml_1_2(item) for item in node] if isinstance(node, list) else node


@pytest.mark.parametrize("model", FILES)
def test_harbor_satisfies_its_schemas(model: type[Model]) -> None:
    schema = json_schema(model)
    jsonschema_rs.meta.validate(schema)
    found = list(HARBOR.glob(FILES[model]))
    assert found
    for file in found:
        value = _yaml_1_2(yaml.safe_load(file.read_text()))
        mistakes = [it.message for it in jsonschema_rs.iter_errors(schema, value)]
        assert mistakes == [], file


@pytest.mark.parametrize(
    ("model", "wrong"),
    [
        (Distro, {"name": "a", "version": "1", "repositories": [{"id": "b"}], "colour": "red"}),
        (Distro, {"name": "a b", "version": "1"}),
        (ComponentsFile, {"components": {"bash": {"drops": ["/x"]}}}),
        (
            ComponentsFile,
            {"components": {"bash": {"files": [{"path": "/a", "content": "", "mode": 420}]}}},
        ),
        (Package, {"name": "a", "version": "1"}),
        (ScriptletsFile, {"scriptlets": {"a": {"on": "whenever"}}}),
    ],
)
def test_a_schema_says_no_to_what_it_knows(model: type[Model], wrong: dict[str, Any]) -> None:
    assert not jsonschema_rs.is_valid(json_schema(model), wrong)


@pytest.mark.parametrize(
    ("kind", "title"),
    [
        ("distro", "Distro"),
        ("distro-components", "ComponentsFile"),
        ("distro-package", "Package"),
        ("distro-scriptlets", "ScriptletsFile"),
    ],
)
def test_the_command_prints_it(kind: str, title: str) -> None:
    printed = CliRunner().invoke(command, [kind]).output
    assert json.loads(printed)["title"] == title
