"""Options that verbs about an image share, so that a plan is that of the build."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from dockyard.cli.options import (
    image_argument,
    origin_options,
    rpm_source_option,
    store_option,
)

Command = TypeVar("Command", bound=Callable[..., Any])


output_format_option = click.option(
    "--output-image-format",
    help="Format of the image: raw, qcow2, vhd-fixed, tar or tar-zst. Default: "
    "output.image.format of the file, or raw.",
)
output_file_option = click.option(
    "--output-image-file",
    "--output-path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where to put the image. Default: output.image.path of the file, or the image's name.",
)


def image_options(command: Command) -> Command:
    """IMAGE, --store, --output-image-format and where packages come from."""
    for decorate in (
        origin_options,
        rpm_source_option,
        output_format_option,
        store_option,
        image_argument,
    ):
        command = decorate(command)
    return command
