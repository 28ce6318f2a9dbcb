"""Options that choose among the images of one file, and the values of its variables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

if TYPE_CHECKING:
    from dockyard.config import LoadedImage

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Choice:
    """What the command line chooses. said: `name=value`. variants: empty for all of them."""

    said: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()
    variants: tuple[str, ...] = ()

    def one(self, file: Path) -> LoadedImage:
        """The one image that is chosen. Raises DockyardError, also where the file has several."""
        from dockyard.config.variables import Chosen, said
        from dockyard.config.variants import load_one

        return load_one(file, Chosen(said(self.said), self.profiles), self.variants)

    def all(self, file: Path) -> tuple[LoadedImage, ...]:
        """All images that are chosen. Raises DockyardError."""
        from dockyard.config.variables import Chosen, said
        from dockyard.config.variants import load_images

        return load_images(file, Chosen(said(self.said), self.profiles), self.variants)


def _once(
    context: click.Context, parameter: click.Parameter, value: tuple[str, ...]
) -> tuple[str, ...]:
    for name in value:
        if value.count(name) > 1:
            raise click.BadParameter(f"{name} is given twice", context, parameter)
    return value


def choice_options(command: Command) -> Command:
    """`--set`, `--profile` and `--variant`, as one `choice`."""

    @wraps(command)
    def told(
        *args: Any,
        said: tuple[str, ...],
        profile: tuple[str, ...],
        variant: tuple[str, ...],
        **options: Any,
    ) -> Any:
        return command(*args, choice=Choice(said, profile, variant), **options)

    decorated = cast(Command, told)
    for decorate in (
        click.option(
            "--variant",
            multiple=True,
            metavar="NAME",
            callback=_once,
            help="Of the images of the file's matrix, only this one.",
        ),
        click.option(
            "--profile",
            multiple=True,
            metavar="NAME",
            callback=_once,
            help="Put this profile of the file on top.",
        ),
        click.option(
            "--set",
            "said",
            multiple=True,
            metavar="NAME=VALUE",
            help="The value of a variable of the file; of a list, separated by commas.",
        ),
    ):
        decorated = decorate(decorated)
    return decorated
