"""`dockyard schema`: the JSON schema of the configuration files."""

from __future__ import annotations

import click


@click.command(name="schema")
@click.argument(
    "kind", type=click.Choice(("image", "inject-files", "package-list")), default="image"
)
def command(kind: str) -> None:
    """Print the JSON schema (draft 2020-12) of the image file, or of another KIND of file.

    Editors complete and check image files with it. It cannot know every rule: validate-config
    does.
    """
    import json

    from dockyard.config.schema import json_schema
    from dockyard.model.base import Model
    from dockyard.model.image import Image, InjectFilesConfig, PackageList

    models: dict[str, type[Model]]
    models = {"image": Image, "inject-files": InjectFilesConfig, "package-list": PackageList}
    click.echo(json.dumps(json_schema(models[kind]), indent=2, ensure_ascii=False))
