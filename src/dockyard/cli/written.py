"""What verbs that write an image tell of it, and the options of those that make it of another."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from dockyard.cli.verb import wants_json

if TYPE_CHECKING:
    from dockyard.engine.store import Store

Command = TypeVar("Command", bound=Callable[..., Any])


def rewriting_options(command: Command) -> Command:
    """`--cosi-compression-level` and `--build-dir`, where no image file says anything of them."""
    command = click.option(
        "--build-dir",
        type=click.Path(file_okay=False, path_type=Path),
        help="Where to put a raw disk while it is needed. Default: beside the new image.",
    )(command)
    return click.option(
        "--cosi-compression-level",
        type=click.IntRange(1, 22),
        help="Level of zstd for cosi and baremetal-image. Default: 9; for baremetal-image 22.",
    )(command)


def written_facts(image: Path, store: Store) -> dict[str, Any]:
    """How large an image is, bytes that are no holes, and for a program its digest."""
    from dockyard.pipeline.output import image_digest, image_size

    size, used = image_size(image)
    digest = {"sha256": image_digest(image, store)} if wants_json() else {}
    return {"size": size, "used": used, **digest}
