"""Options that name the image to customize, and what they say."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from dockyard.cli.display import display
from dockyard.cli.fetching import step

if TYPE_CHECKING:
    from dockyard.model.input import InputImage
    from dockyard.packages.fetch import Progress
    from dockyard.packages.oci.access import Registries

Command = TypeVar("Command", bound=Callable[..., Any])


def input_options(command: Command) -> Command:
    """`--image-file` and `--image`."""
    command = click.option(
        "--image",
        "image_source",
        metavar="SOURCE",
        help="The image to fetch and customize: oci:<reference> or "
        "azureLinux:<variant>:<version>. Default: input.image of the file.",
    )(command)
    return click.option(
        "--image-file",
        type=click.Path(dir_okay=False, path_type=Path),
        help="The image to customize. Default: input.image of the file.",
    )(command)


def image_cache_option(command: Command) -> Command:
    """`--image-cache-dir`."""
    return click.option(
        "--image-cache-dir",
        type=click.Path(file_okay=False, path_type=Path),
        help="Where fetched images are kept, by digest. Default: in the store.",
    )(command)


def registries_of(store: Path, cache: Path | None, progress: str) -> Registries:
    """How images are had of registries; fetching is shown as the progress mode says."""
    from dockyard.packages.oci.access import AZURE_LINUX, Registries
    from dockyard.packages.oci.credentials import Credentials

    @contextmanager
    def shown(title: str) -> Iterator[Progress]:
        with display(progress) as listener, step(listener, title, "it is not in the cache") as told:
            yield told

    return Registries(
        cache=(cache or store / "images").absolute(),
        credentials=Credentials.of_host(os.environ),
        azure_linux=os.environ.get(AZURE_LINUX, ""),
        shown=shown,
    )


def input_of(image_file: Path | None, source: str | None) -> InputImage | None:
    """What the two say; None where neither is given. Raises what is wrong with them."""
    from dockyard.model.input import InputImage
    from dockyard.pipeline.overrides import input_named

    if image_file is not None and source is not None:
        raise click.UsageError("--image-file and --image exclude each other")
    if image_file is not None:
        return InputImage(path=str(image_file.absolute()))
    return input_named(source) if source is not None else None
