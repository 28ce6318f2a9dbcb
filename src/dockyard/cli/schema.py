"""`dockyard schema`: the JSON schema of the configuration files."""

from __future__ import annotations

import click

from dockyard.cli.answer import Answer
from dockyard.cli.verb import Verb

_KINDS = (
    *("image", "inject-files", "package-list"),
    *("distro", "distro-components", "distro-package", "distro-scriptlets"),
)


@click.command(name="schema", cls=Verb)
@click.argument("kind", type=click.Choice(_KINDS), default="image")
def command(kind: str) -> Answer:
    """Print the JSON schema (draft 2020-12) of the image file, or of another KIND of file.

    `distro` is distro.yaml; the other files of a distribution are `distro-…`. Editors complete and
    check files with a schema. It cannot know every rule: validate-config does.
    """
    import json

    schema = _schema(kind)
    return Answer(json.dumps(schema, indent=2, ensure_ascii=False), schema)


def _schema(kind: str) -> object:
    if kind.startswith("distro"):
        from dockyard.distro.schema import distro_schema

        return distro_schema(kind)
    from dockyard.config.schema import json_schema
    from dockyard.model.base import Model
    from dockyard.model.image import Image, InjectFilesConfig, PackageList

    models: dict[str, type[Model]]
    models = {"image": Image, "inject-files": InjectFilesConfig, "package-list": PackageList}
    return json_schema(models[kind])
