"""`dockyard create`: make an image from nothing out of RPMs that the command line names."""

from __future__ import annotations

import os
from pathlib import Path

import click

from dockyard.cli.answer import Answer
from dockyard.cli.build import built_answer
from dockyard.cli.choice import Choice, choice_options
from dockyard.cli.customizer_options import (
    build_dir_option,
    log_options,
    tools_dir_option,
    without_part,
)
from dockyard.cli.display import display
from dockyard.cli.fetching import step
from dockyard.cli.image_options import cosi_level_option, output_file_option, output_format_option
from dockyard.cli.options import (
    image_argument,
    jobs_option,
    origin_options,
    origins_of,
    progress_option,
    snapshot_time_option,
    store_option,
)
from dockyard.cli.verb import Verb, remark


@click.command(cls=Verb)
@image_argument
@choice_options
@click.option(
    "--rpm-source",
    required=True,
    type=click.Path(exists=True, path_type=Path),
    multiple=True,
    help="A directory of RPMs or a .repo file, from which all packages come.",
)
@click.option(
    "--distro",
    default="",
    help="What the image becomes, as its os-release(5) names it: azurelinux, fedora, harbor, … "
    "Default: what its release package says, else azurelinux.",
)
@click.option(
    "--distro-version",
    default="",
    help="Its version, which is also $releasever in .repo files. Default: that of the release "
    "package.",
)
@snapshot_time_option
@output_file_option
@output_format_option
@cosi_level_option
@origin_options
@store_option
@jobs_option
@progress_option
@log_options
@build_dir_option
@tools_dir_option
def command(
    image: Path,
    choice: Choice,
    rpm_source: tuple[Path, ...],
    distro: str,
    distro_version: str,
    package_snapshot_time: str,
    output_image_file: Path | None,
    output_image_format: str | None,
    cosi_compression_level: int | None,
    store: Path,
    debian_mirror: tuple[str, ...],
    mirror_dir: tuple[Path, ...],
    jobs: int,
    progress: str,
    build_dir: Path | None,
    tools_dir: Path | None,
) -> Answer:
    """Make the image of the file IMAGE from nothing, out of the packages that --rpm-source names.

    The file needs no `distro` and no lock. The packages are chosen now, of what the sources have.
    An image that is to be the same again later takes a distribution and a lock: see `dockyard lock`
    and `dockyard build`.
    """
    from dockyard.engine.store import Store
    from dockyard.host import clock
    from dockyard.packages.access import Access
    from dockyard.pipeline.build import build_image, plan_image
    from dockyard.pipeline.creation import DISTROS, Creation

    if distro and distro not in DISTROS:
        raise click.BadParameter(f"{distro!r} is none of {', '.join(DISTROS)}")
    began = clock.monotonic()
    kept, origins = Store(store), origins_of(debian_mirror, mirror_dir)
    loaded = choice.one(image)
    remark(without_part(store, build_dir, tools_dir))
    with (
        display(progress) as listener,
        step(listener, "Choose packages", "no lock says which") as fetched,
    ):
        access = Access.of_store(store.absolute(), offline=origins.offline, progress=fetched)
        creation = Creation(
            rpm_source, access, distro, distro_version, epoch_of_host(), package_snapshot_time
        )
        planned = plan_image(
            loaded,
            kept,
            origins,
            output_image_format,
            output=output_image_file,
            level=cosi_compression_level,
            creation=creation,
        )
    remark(planned.remarks)
    with display(progress) as listener:
        built = build_image(planned, kept, listener, jobs=jobs)
    return built_answer(planned, built, kept, clock.monotonic() - began)


def epoch_of_host() -> int | None:
    """The time that SOURCE_DATE_EPOCH says. Raises click.UsageError for what is no time."""
    said = os.environ.get("SOURCE_DATE_EPOCH", "")
    if said and not (said.isascii() and said.isdecimal() and len(said) <= 10):
        raise click.UsageError(f"SOURCE_DATE_EPOCH is no number of seconds: {said!r}")
    return int(said) if said else None
