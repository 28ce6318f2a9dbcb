"""`dockyard validate-config`: read an image file and report every mistake in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dockyard.cli.answer import Answer
from dockyard.cli.choice import Choice, choice_options
from dockyard.cli.customizer_options import build_dir_option, log_options
from dockyard.cli.input_options import input_of, input_options, registries_of
from dockyard.cli.options import image_argument, log_file_option
from dockyard.cli.verb import Verb, remark

if TYPE_CHECKING:
    from dockyard.config import LoadedImage
    from dockyard.errors import Problem
    from dockyard.model.input import InputImage

_RESOURCES = ("files", "oci", "all")


def _split(ctx: click.Context, parameter: click.Parameter, value: tuple[str, ...]) -> set[str]:
    chosen = {part.strip() for text in value for part in text.split(",") if part.strip()}
    unknown = sorted(chosen - set(_RESOURCES))
    if unknown:
        raise click.BadParameter(f"{unknown[0]!r} is not one of {', '.join(_RESOURCES)}")
    return chosen


@click.command(name="validate-config", cls=Verb)
@image_argument
@choice_options
@click.option(
    "--validate-resources",
    "resources",
    multiple=True,
    callback=_split,
    metavar="files,oci,all",
    help="Also check what the file refers to: local files, images in OCI registries, or both.",
)
@input_options
@build_dir_option
@log_file_option
@log_options
def command(
    image: Path,
    choice: Choice,
    resources: set[str],
    image_file: Path | None,
    image_source: str | None,
    build_dir: Path | None,
) -> Answer:
    """Check the image file IMAGE, and report every mistake with its place and its fix.

    Files that it builds on (baseConfigs) are checked as well. What is valid, but would stop a
    build, is told as notes. Nothing is built or changed.
    """
    from dockyard.pipeline.format_rules import format_remarks
    from dockyard.pipeline.input_image import where_named
    from dockyard.pipeline.together import Together

    together = Together()
    named = together.get(lambda: input_of(image_file, image_source))
    images: Sequence[LoadedImage | None] = together.get(lambda: choice.all(image)) or (None,)
    problems: dict[Problem, None] = {}
    for loaded in images:
        problems.update(dict.fromkeys(loaded.remarks if loaded else ()))
        problems.update(dict.fromkeys(format_remarks(loaded) if loaded else ()))
        if resources & {"files", "all"}:
            problems.update(dict.fromkeys(_files(loaded, named)))
        if resources & {"oci", "all"}:
            problems.update(dict.fromkeys(_in_registry(loaded, named)))
    together.extend(problems)
    remark(together.remarks)
    together.raise_any()
    found = [each for each in images if each is not None]
    customizes = any(where_named(each, named) is not None for each in found)
    refuse = refused_by_customizing if customizes else refused_by_build
    refused = list(dict.fromkeys(problem for each in found for problem in refuse(each)))
    remark(refused)
    read = list(dict.fromkeys(path for each in found for path in each.files))
    said = [f"{len(found)} images"] if len(found) > 1 else []
    said += [f"{len(read)} files"] if len(read) > 1 else []
    text = f"{image}: valid" + (f" ({', '.join(said)})" if said else "")
    if refused:
        verb = "customize" if customizes else "build"
        text += f", but `dockyard {verb}` would stop at what is noted above"
    facts: dict[str, object] = {
        "files": [str(path) for path in read],
        "images": [each.chosen.variant for each in found if each.chosen.variant],
        "buildable": not refused,
    }
    return Answer(text, facts)


def _files(loaded: LoadedImage | None, named: InputImage | None) -> Iterator[Problem]:
    """What is wrong with files that are named. named: the image that the command line names."""
    from dockyard.config import check_files
    from dockyard.errors import DockyardError
    from dockyard.formats.containers import container_of

    if loaded is not None:
        replaced = named is not None and loaded.image.input.image.path
        at = loaded.position("input.image.path") if replaced else None
        yield from (each for each in check_files(loaded) if at is None or each.where != at)
    if named is not None and named.path:
        try:
            container_of(Path(named.path))
        except DockyardError as error:
            yield from error.problems


def _in_registry(loaded: LoadedImage | None, named: InputImage | None) -> Iterator[Problem]:
    """What is wrong with an image in a registry, or what it is now."""
    from tempfile import TemporaryDirectory

    from dockyard.errors import DockyardError
    from dockyard.pipeline.input_image import find_image, told, where_named

    asked = where_named(loaded, named)
    if asked is None or asked[0].path:
        return
    with TemporaryDirectory(prefix="dockyard-") as name:
        try:
            yield told(find_image(*asked, registries_of(Path(name), None, "quiet")), asked[1])
        except DockyardError as error:
            yield from error.problems


def refused_by_customizing(loaded: LoadedImage) -> list[Problem]:
    """What `customize` would refuse of a valid file, as notes."""
    from dataclasses import replace

    from dockyard.errors import Severity
    from dockyard.pipeline.customize import not_customizable
    from dockyard.pipeline.format_rules import format_refusals
    from dockyard.tree.settings import wrong_hashes

    found = [*not_customizable(loaded), *format_refusals(loaded), *wrong_hashes(loaded)]
    return [replace(each, severity=Severity.NOTE) for each in found]


def refused_by_build(loaded: LoadedImage) -> list[Problem]:
    """What a build would refuse of a valid file, as notes."""
    from dataclasses import replace

    from dockyard.errors import Severity
    from dockyard.model.input import Input
    from dockyard.pipeline.acted_on import needs_disk, not_acted_on, not_buildable
    from dockyard.pipeline.format_rules import format_refusals
    from dockyard.tree.settings import wrong_hashes

    found = [*not_acted_on(loaded), *format_refusals(loaded, of_packages=True)]
    # A file that customizes an image needs nothing of what an image from packages needs.
    if loaded.image.input == Input():
        found += not_buildable(loaded, needs_disk=needs_disk(loaded))
    found += wrong_hashes(loaded)
    return [replace(each, severity=Severity.NOTE) for each in found]
