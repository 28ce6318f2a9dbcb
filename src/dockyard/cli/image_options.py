"""Options that verbs about an image share, so that a plan is that of the build."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from dockyard.cli.choice import choice_options
from dockyard.cli.options import (
    image_argument,
    origin_options,
    rpm_source_option,
    store_option,
)
from dockyard.formats import Holds, holding

Command = TypeVar("Command", bound=Callable[..., Any])


def one_of(names: Sequence[str]) -> str:
    """Names as a choice in words."""
    *others, last = names
    return f"{', '.join(others)} or {last}"


output_format_option = click.option(
    "--output-image-format",
    help=f"Format of the image: {one_of(holding(*Holds))}. "
    "Default: output.image.format of the file, or raw.",
)
cosi_level_option = click.option(
    "--cosi-compression-level",
    type=click.IntRange(1, 22),
    help="Level of zstd for cosi and baremetal-image. Default: output.image.cosi of the file, or "
    "9; for baremetal-image 22.",
)
output_file_option = click.option(
    "--output-image-file",
    "--output-path",
    type=click.Path(path_type=Path),
    help="Where to put the image. Default: output.image.path of the file, or the image's name.",
)


def image_options(command: Command) -> Command:
    """IMAGE and the choice among its images, --store, --output-image-format and where packages come
    from.
    """
    for decorate in (
        origin_options,
        rpm_source_option,
        output_format_option,
        store_option,
        choice_options,
        image_argument,
    ):
        command = decorate(command)
    return command
