"""Options that `build`, `plan` and `boot` share: the image file and where its packages come
from.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from dockyard.cli.options import EXISTING_FILE, progress_option, store_option

if TYPE_CHECKING:
    from dockyard.packages.deb.sources import Origins

Command = TypeVar("Command", bound=Callable[..., Any])


def image_options(command: Command) -> Command:
    """IMAGE, --store, --progress, --output-image-format and where packages come from."""
    for decorate in (
        click.option(
            "--mirror-dir",
            type=click.Path(exists=True, file_okay=False, path_type=Path),
            multiple=True,
            help="A directory that `dockyard fetch` filled; tried before any mirror.",
        ),
        click.option(
            "--debian-mirror",
            multiple=True,
            help="Address of a Debian archive, for tools. Default: as apt is configured here.",
        ),
        click.option(
            "--rpm-source",
            type=click.Path(exists=True, path_type=Path),
            multiple=True,
            help="A directory of RPMs or a .repo file, beside the distro's repositories.",
        ),
        click.option(
            "--output-image-format",
            help="Format of the image. Default: output.image.format of the file, or raw.",
        ),
        progress_option,
        store_option,
        click.argument("image", type=EXISTING_FILE),
    ):
        command = decorate(command)
    return command


def origins_of(debian_mirror: tuple[str, ...], mirror_dir: tuple[Path, ...]) -> Origins:
    """Where packages are fetched from: what the options say, else as the host is set up."""
    from dockyard.packages.deb.sources import Origins

    return Origins.of_host(os.environ, debian_mirror=debian_mirror, mirror_directories=mirror_dir)
