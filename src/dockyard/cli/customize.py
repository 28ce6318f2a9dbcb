"""`dockyard customize`: apply an image file to an image that exists."""

from __future__ import annotations

from pathlib import Path

import click

from dockyard.cli.answer import Answer
from dockyard.cli.build import built_answer
from dockyard.cli.choice import Choice, choice_options
from dockyard.cli.customizer_options import (
    build_dir_option,
    log_options,
    setfiles_option,
    tools_dir_option,
    without_part,
)
from dockyard.cli.display import display
from dockyard.cli.image_options import cosi_level_option, output_file_option, output_format_option
from dockyard.cli.input_options import image_cache_option, input_of, input_options, registries_of
from dockyard.cli.options import (
    image_argument,
    jobs_option,
    origin_options,
    origins_of,
    package_source_options,
    progress_option,
    rpm_mirror_options,
    store_option,
)
from dockyard.cli.verb import Verb, remark


@click.command(cls=Verb)
@image_argument
@choice_options
@input_options
@image_cache_option
@output_file_option
@output_format_option
@cosi_level_option
@click.option(
    "--output-selinux-policy-path",
    type=click.Path(path_type=Path),
    help="Directory to put the image's SELinux policy in. Default: output.selinuxPolicyPath of the "
    "file.",
)
@package_source_options
@rpm_mirror_options
@origin_options
@store_option
@jobs_option
@progress_option
@log_options
@build_dir_option
@tools_dir_option
@setfiles_option
def command(
    image: Path,
    choice: Choice,
    image_file: Path | None,
    image_source: str | None,
    image_cache_dir: Path | None,
    output_image_file: Path | None,
    output_image_format: str | None,
    cosi_compression_level: int | None,
    output_selinux_policy_path: Path | None,
    rpm_source: tuple[Path, ...],
    disable_base_image_rpm_repos: bool,
    package_snapshot_time: str,
    store: Path,
    debian_mirror: tuple[str, ...],
    mirror_dir: tuple[Path, ...],
    jobs: int,
    progress: str,
    build_dir: Path | None,
    tools_dir: Path | None,
    setfiles_context: str | None,
) -> Answer:
    """Apply the image file IMAGE to an image that exists, and write a new one.

    The input is a disk of any format that `inspect` reads, of a distribution that is known: a file,
    or one that is fetched from an OCI registry. It is not changed, neither mounted nor started, and
    needs no root. Partitions keep their places and ids; what they hold that is no mounted file
    system is copied as it is.
    """
    from dockyard.engine.store import Store
    from dockyard.host import clock
    from dockyard.pipeline.build import build_image, plan_customization
    from dockyard.pipeline.overrides import Overrides

    began = clock.monotonic()
    kept, origins = Store(store), origins_of(debian_mirror, mirror_dir)
    loaded = choice.one(image)
    remark(without_part(store, build_dir, tools_dir, setfiles_context))
    given = input_of(image_file, image_source)
    overrides = Overrides(
        given,
        output_image_file,
        output_image_format,
        cosi_compression_level,
        rpm_source,
        disable_base_image_rpm_repos,
        package_snapshot_time,
        output_selinux_policy_path,
    )
    registries = registries_of(store, image_cache_dir, progress)
    with display(progress) as listener:
        planned = plan_customization(loaded, kept, origins, overrides, registries, listener)
    remark(planned.remarks)
    with display(progress) as listener:
        built = build_image(planned, kept, listener, jobs=jobs)
    return built_answer(planned, built, kept, clock.monotonic() - began)
