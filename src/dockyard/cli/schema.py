"""`dockyard schema`: the JSON schema of the configuration files."""

from __future__ import annotations

import click

from dockyard.cli.answer import Answer
from dockyard.cli.verb import Verb

# kind -> (module of the models, model)
_KINDS = {
    "image": ("image", "Image"),
    "inject-files": ("image", "InjectFilesConfig"),
    "package-list": ("image", "PackageList"),
    "distro": ("distro", "Distro"),
    "distro-components": ("components", "ComponentsFile"),
    "distro-package": ("components", "Package"),
    "distro-scriptlets": ("scriptlets", "ScriptletsFile"),
}


@click.command(name="schema", cls=Verb)
@click.argument("kind", type=click.Choice(list(_KINDS)), default="image")
def command(kind: str) -> Answer:
    """Print the JSON schema (draft 2020-12) of the image file, or of another KIND of file.

    `distro` is distro.yaml; the other files of a distribution are `distro-…`. Editors complete and
    check files with a schema. It cannot know every rule: validate-config does.
    """
    import json
    from importlib import import_module

    from dockyard.config.schema import json_schema

    module, model = _KINDS[kind]
    schema = json_schema(getattr(import_module(f"dockyard.model.{module}"), model))
    return Answer(json.dumps(schema, indent=2, ensure_ascii=False), schema)
