"""`dockyard inspect`: what an image is, read from its disk."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dockyard.cli import terminal
from dockyard.cli.answer import Answer
from dockyard.cli.display import display
from dockyard.cli.options import origin_options, origins_of, progress_option, store_option
from dockyard.cli.verb import Verb

if TYPE_CHECKING:
    from dockyard.inspection import Inspected
    from dockyard.packages.origins import Origins


@click.command(cls=Verb)
@click.argument("image", type=click.Path(path_type=Path))
@click.option("--packages", is_flag=True, help="List the packages, with versions and sizes.")
@click.option("--users", is_flag=True, help="List every account, those of the system too.")
@click.option("--services", is_flag=True, help="List the units that are enabled or masked.")
@click.option(
    "--tree",
    metavar="DIRECTORY",
    help="Show what is below a directory of the image and what it takes, such as / or /usr.",
)
@click.option(
    "--depth", default=1, type=click.IntRange(1), show_default=True, help="With --tree: levels."
)
@origin_options
@store_option
@progress_option
def command(
    image: Path,
    packages: bool,
    users: bool,
    services: bool,
    tree: str | None,
    depth: int,
    store: Path,
    debian_mirror: tuple[str, ...],
    mirror_dir: tuple[Path, ...],
    progress: str,
) -> Answer:
    """Show what an image is: partitions, file systems, distribution, boot, packages, users.

    IMAGE is a disk: raw, qcow2, VHD, VHDX, VMDK or COSI, whoever made it, the image of a file
    system, or a root alone: a tar, a distribution of WSL, a container image of one layer. It is
    neither mounted nor started, and not changed. Needs no root.
    """
    from dockyard.cli.inspect_text import as_json, as_text, tree_text

    origins = origins_of(debian_mirror, mirror_dir)
    with inspected(store, origins, progress, image) as (found,):
        terminal.remark(found.remarks)
        if tree is not None:
            return tree_text(found, tree, depth)
        text = as_text(found, packages=packages, users=users, services=services)
        return Answer(text, as_json(found))


@contextmanager
def inspected(
    store: Path, origins: Origins, progress: str, *images: Path, digests: bool = False
) -> Iterator[tuple[Inspected, ...]]:
    """Images that are read, for as long as a block runs. origins: of the tools. progress: how what
    is fetched is shown. digests: see inspect_image.
    """
    from tempfile import TemporaryDirectory

    from dockyard.formats.containers import container_of
    from dockyard.inspection import inspect_image
    from dockyard.inspection.roots import root_file
    from dockyard.tools.trees import enter_tools

    for image in images:
        if root_file(image) is None:
            container_of(image)  # what is no disk is told before any work
    with display(progress) as listener:
        tools = enter_tools(store, origins, listener)
    with TemporaryDirectory(prefix="dockyard-inspect-") as name:
        found = []
        for number, image in enumerate(images):
            scratch = Path(name) / str(number)
            scratch.mkdir()
            found.append(inspect_image(image, scratch, tools, digests=digests))
        yield tuple(found)
