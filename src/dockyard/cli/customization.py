"""Reads an image file that changes an image that exists, for the verbs that only look: the options
are those of `customize`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from dockyard.cli.input_options import image_cache_option, input_options
from dockyard.cli.options import snapshot_time_option

if TYPE_CHECKING:
    from dockyard.config import LoadedImage
    from dockyard.model.input import InputImage

Command = TypeVar("Command", bound=Callable[..., Any])


def customization_options(command: Command) -> Command:
    """What names the image to customize, and the repositories to leave out and the time."""
    return input_options(image_cache_option(snapshot_time_option(command)))


def customizes(loaded: LoadedImage, given: InputImage | None) -> bool:
    """Whether an image file is to be applied to an image that exists."""
    from dockyard.pipeline.input_image import where_named

    return where_named(loaded, given) is not None


def require_image(context: click.Context, *options: str) -> None:
    """Refuse options that mean something for an image that exists, and stand without one."""
    for name in options:
        if context.params.get(name):
            option = f"--{name.replace('_', '-')}"
            raise click.UsageError(f"{option} does nothing without --image-file", context)
