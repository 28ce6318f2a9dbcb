"""Options that `build` and `plan` share, so that a plan is that of the build."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from dockyard.cli.options import (
    image_argument,
    origin_options,
    rpm_source_option,
    store_option,
)

Command = TypeVar("Command", bound=Callable[..., Any])


def image_options(command: Command) -> Command:
    """IMAGE, --store, --output-image-format and where packages come from."""
    form = click.option(
        "--output-image-format",
        help="Format of the image: raw, qcow2, vhd-fixed, tar or tar-zst. Default: "
        "output.image.format of the file, or raw.",
    )
    for decorate in (
        origin_options,
        rpm_source_option,
        form,
        store_option,
        image_argument,
    ):
        command = decorate(command)
    return command
