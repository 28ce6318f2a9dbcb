"""The JSON schema, the reference page and the two commands that come with the config room."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import jsonschema_rs
from click.testing import CliRunner

sys.path.append(str(Path(__file__).parents[1] / "packages/oci"))
from small_registry import registry

from dockyard.cli.schema import command as schema_command
from dockyard.cli.validate_config import command as validate_command
from dockyard.config.reference import differences_markdown, markdown
from dockyard.config.schema import json_schema
from dockyard.config.shape import ValueKind, fields_of
from dockyard.distro.reference import markdown as distro_markdown
from dockyard.errors import DockyardError
from dockyard.model.base import Model
from dockyard.model.components import ComponentsFile, Package
from dockyard.model.distro import Distro
from dockyard.model.image import Image, InjectFilesConfig, PackageList
from dockyard.model.scriptlets import ScriptletsFile

OF_IMAGES: tuple[type[Model], ...] = (Image, InjectFilesConfig, PackageList)
OF_DISTROS: tuple[type[Model], ...] = (Distro, ComponentsFile, Package, ScriptletsFile)


def models(*tops: type[Model]) -> set[type[Model]]:
    found: set[type[Model]] = set()

    def walk(model: type[Model]) -> None:
        if model in found:
            return
        found.add(model)
        for field in fields_of(model).values():
            shape = field.shape.item or field.shape
            if shape.model is not None:
                walk(shape.model)

    for top in tops:
        walk(top)
    return found


def test_every_key_is_described_and_every_value_has_an_example() -> None:
    for model in models(*OF_IMAGES, *OF_DISTROS):
        assert model.__doc__, model
        for field in fields_of(model).values():
            where = f"{model.__name__}.{field.key}"
            assert field.told.description.endswith("."), where
            item = field.shape.item or field.shape
            if item.kind != ValueKind.MODEL:
                assert field.told.examples, where


def test_the_schemas_are_schemas() -> None:
    for model in (*OF_IMAGES, *OF_DISTROS):
        schema = json_schema(model)
        assert schema["$schema"].endswith("2020-12/schema")
        assert schema["additionalProperties"] is False
        jsonschema_rs.validator_for(schema)  # raises when it is none
        jsonschema_rs.meta.validate(schema)


def test_the_schema_says_no_to_what_it_knows() -> None:
    schema = json_schema()
    mistakes: list[dict[str, object]] = [
        {"oss": {}},
        {"os": {"users": [{"name": "a", "uid": -1}]}},
        {"os": {"users": [{}]}},
        {"storage": {"disks": [{"maxSize": "10"}]}},
        {"output": {"image": {"format": "iso9660"}}},
        {"os": {"additionalFiles": [{"content": "x", "destination": "/a/../b"}]}},
    ]
    for wrong in mistakes:
        assert not jsonschema_rs.is_valid(schema, wrong), wrong


def test_the_reference_has_every_key() -> None:
    for page, tops in ((markdown(), OF_IMAGES), (distro_markdown(), OF_DISTROS)):
        for model in models(*tops):
            for key in fields_of(model):
                assert f"| `{key}` |" in page
    page = markdown()
    assert "## `storage.disks[].partitions[]`" in page
    # A line break in a description would end its row early.
    rows = [line for line in page.splitlines() if line.startswith("|")]
    assert [row for row in rows if not row.endswith("|")] == []
    assert "Preview features need no switch" in differences_markdown()


def test_schema_command() -> None:
    result = CliRunner().invoke(schema_command, [])
    assert json.loads(result.output)["title"] == "Image"
    result = CliRunner().invoke(schema_command, ["package-list"])
    assert list(json.loads(result.output)["properties"]) == ["packages"]


def test_validate_command(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text("os: {additionalFiles: [{source: x, destination: /x}]}\n")
    bad.write_text("os: {hostname: a_b}\n")
    run = CliRunner().invoke
    assert run(validate_command, [str(good)]).stdout.startswith(f"{good}: valid")
    assert run(validate_command, ["--config-file", str(good)]).exit_code == 0
    assert run(validate_command, []).exit_code == 2
    assert run(validate_command, [str(good), "--config-file", str(good)]).exit_code == 2
    assert run(validate_command, [str(good), "--validate-resources", "x"]).exit_code == 2
    result = run(validate_command, [str(good), "--validate-resources", "files,oci"])
    assert isinstance(result.exception, DockyardError)
    result = run(validate_command, [str(bad)])
    assert isinstance(result.exception, DockyardError)
    assert result.exception.problems[0].code == "config.hostname"
    report = json.loads(run(validate_command, [str(good), "--json"]).output)
    assert (report["ok"], report["problems"]) == (True, [])


def test_images_in_registries_are_looked_for(tmp_path: Path) -> None:
    image = tmp_path / "image.yaml"
    run = CliRunner().invoke
    with registry() as small:
        digest = small.artefact({"disk.raw": b"x"}, "1")
        image.write_text(f"input: {{image: {{oci: {small.host}/a:1}}}}\n")
        assert run(validate_command, [str(image), "--validate-resources", "files"]).exit_code == 0
        assert not small.requests
        report = run(validate_command, [str(image), "--validate-resources", "all", "--json"])
        (told,) = json.loads(report.output)["remarks"]
        assert digest in told["what"] and told["line"] == 1
        assert not small.asked("/blobs/")
        small.manifests.clear()
        image.write_text(f"input: {{image: {{oci: {small.host}/a:1}}}}\nos: {{x: 1}}\n")
        words = [str(image), "--image", f"oci:{small.host}/b", "--validate-resources", "oci"]
        result = run(validate_command, words)
        assert isinstance(result.exception, DockyardError)
        assert {each.code for each in result.exception.problems} == {
            "config.unknown-key", "oci.not-there"
        }  # fmt: skip


def test_an_image_on_the_command_line_is_checked(tmp_path: Path) -> None:
    config, short = tmp_path / "config.yaml", tmp_path / "short.raw"
    config.write_text("input: {image: {path: missing}}\n")
    short.write_bytes(b"x")
    run = CliRunner().invoke
    words = [str(config), "--image-file", str(short), "--validate-resources", "files"]
    result = run(validate_command, words)
    assert isinstance(result.exception, DockyardError)
    assert [each.code for each in result.exception.problems] == ["image.not-a-disk"]
    assert run(validate_command, [str(config), "--image", "docker:x"]).exception is not None
    both = [str(config), "--image", "oci:r.example/a", "--image-file", str(short)]
    assert run(validate_command, both).exit_code == 2
