"""`dockyard validate-config`: read an image file and report every mistake in it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dockyard.cli.answer import Answer
from dockyard.cli.options import image_argument
from dockyard.cli.verb import Verb, remark

if TYPE_CHECKING:
    from dockyard.config import LoadedImage
    from dockyard.errors import Problem

_RESOURCES = ("files", "oci", "all")


def _split(ctx: click.Context, parameter: click.Parameter, value: tuple[str, ...]) -> set[str]:
    chosen = {part.strip() for text in value for part in text.split(",") if part.strip()}
    unknown = sorted(chosen - set(_RESOURCES))
    if unknown:
        raise click.BadParameter(f"{unknown[0]!r} is not one of {', '.join(_RESOURCES)}")
    return chosen


@click.command(name="validate-config", cls=Verb)
@image_argument
@click.option(
    "--validate-resources",
    "resources",
    multiple=True,
    callback=_split,
    metavar="files,oci,all",
    help="Also check what the file refers to: local files, images in OCI registries, or both.",
)
@click.option(
    "--build-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Directory for temporary files. Accepted and not needed.",
)
def command(image: Path, resources: set[str], build_dir: Path | None) -> Answer:
    """Check the image file IMAGE, and report every mistake with its place and its fix.

    Files that it builds on (baseConfigs) are checked as well. What is valid, but would stop a
    build, is told as notes. Nothing is built or changed.
    """
    from dockyard.config import check_files, load_image
    from dockyard.errors import DockyardError, Severity

    problems: list[Problem] = []
    remarks: list[Problem] = []
    loaded: LoadedImage | None = None
    try:
        loaded = load_image(image)
    except DockyardError as error:
        problems += error.problems
    if loaded is not None and resources & {"files", "all"}:
        for found in check_files(loaded):
            (problems if found.severity is Severity.ERROR else remarks).append(found)
    if loaded is not None and loaded.image.input.image.oci and resources & {"oci", "all"}:
        problems.append(
            loaded.problem(
                "input.image.oci",
                "config.oci-unchecked",
                "whether an image is in its registry cannot be checked yet",
                fix="use --validate-resources files",
            )
        )
    remark([*(loaded.remarks if loaded is not None else ()), *remarks])
    if problems:
        raise DockyardError(*problems)
    assert loaded is not None
    refused = refused_by_build(loaded)
    remark(refused)
    files = len(loaded.files)
    text = f"{image}: valid" + (f" ({files} files)" if files > 1 else "")
    if refused:
        text += ", but `dockyard build` would stop at what is noted above"
    facts = {"files": [str(path) for path in loaded.files], "buildable": not refused}
    return Answer(text, facts)


def refused_by_build(loaded: LoadedImage) -> list[Problem]:
    """What a build would refuse of a valid file, as notes."""
    from dataclasses import replace

    from dockyard.errors import Severity
    from dockyard.model.input import Input
    from dockyard.pipeline.acted_on import needs_disk, not_acted_on, not_buildable
    from dockyard.tree.settings import not_hashes

    found = [*not_acted_on(loaded)]
    # A file that customizes an image needs nothing of what an image from packages needs.
    if loaded.image.input == Input():
        found += not_buildable(loaded, needs_disk=needs_disk(loaded))
    found += not_hashes(loaded)
    return [replace(each, severity=Severity.NOTE) for each in found]
