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
from dockyard.distro.schema import MODELS, distro_schema

HARBOR = Path(__file__).parents[2] / "distros/harbor"
FILES = {
    "distro": ["distro.yaml"],
    "distro-components": ["components/*.yaml"],
    "distro-package": ["packages/*.yaml"],
    "distro-scriptlets": ["scriptlets.yaml"],
}


def _yaml_1_2(node: Any) -> Any:
    """`on` is a word, where PyYAML reads YAML 1.1 and sees a truth value."""
    if isinstance(node, dict):
        return {"on" if key is True else key: _yaml_1_2(value) for key, value in node.items()}
    return [_yaml_1_2(item) for item in node] if isinstance(node, list) else node


@pytest.mark.parametrize("kind", MODELS)
def test_harbor_satisfies_its_schemas(kind: str) -> None:
    schema = distro_schema(kind)
    jsonschema_rs.meta.validate(schema)
    found = [file for pattern in FILES[kind] for file in HARBOR.glob(pattern)]
    assert found
    for file in found:
        value = _yaml_1_2(yaml.safe_load(file.read_text()))
        mistakes = [it.message for it in jsonschema_rs.iter_errors(schema, value)]
        assert mistakes == [], file


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        ("distro", {"name": "a", "version": "1", "repositories": [{"id": "b"}], "colour": "red"}),
        ("distro", {"name": "a b", "version": "1"}),
        ("distro-components", {"components": {"bash": {"drops": ["/x"]}}}),
        (
            "distro-components",
            {"components": {"bash": {"files": [{"path": "/a", "content": "", "mode": 420}]}}},
        ),
        ("distro-package", {"name": "a", "version": "1"}),
        ("distro-scriptlets", {"scriptlets": {"a": {"on": "whenever"}}}),
    ],
)
def test_a_schema_says_no_to_what_it_knows(kind: str, wrong: dict[str, Any]) -> None:
    assert not jsonschema_rs.is_valid(distro_schema(kind), wrong)


def test_the_command_prints_it() -> None:
    printed = CliRunner().invoke(command, ["distro"]).output
    assert json.loads(printed)["title"] == "Distro"
