"""`dockyard inject-files`: put files into partitions of an image that is finished."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from dockyard.cli import terminal
from dockyard.cli.answer import Answer
from dockyard.cli.customizer_options import log_options, tools_dir_option, without_part
from dockyard.cli.display import display
from dockyard.cli.image_options import one_of
from dockyard.cli.options import origin_options, origins_of, progress_option, store_option
from dockyard.cli.verb import Verb, remark
from dockyard.cli.written import rewriting_options, written_facts
from dockyard.formats import Holds, holding


@click.command(name="inject-files", cls=Verb)
@click.option(
    "--config-file",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file that says what goes where, such as the inject-files.yaml of output.artifacts.",
)
@click.option(
    "--image-file",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The image to put them into.",
)
@click.option(
    "--output-image-file",
    "--output-path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where to put the new image. Default: in place of the image.",
)
@click.option(
    "--output-image-format",
    help=f"Format of the new image: {one_of(holding(Holds.DISK))}. Default: that of the image.",
)
@rewriting_options
@origin_options
@store_option
@progress_option
@log_options
@tools_dir_option
def command(
    config_file: Path,
    image_file: Path,
    output_image_file: Path | None,
    output_image_format: str | None,
    cosi_compression_level: int | None,
    build_dir: Path | None,
    debian_mirror: tuple[str, ...],
    mirror_dir: tuple[Path, ...],
    store: Path,
    progress: str,
    tools_dir: Path | None,
) -> Answer:
    """Put files into partitions of an image that is finished: what was signed elsewhere comes back
    into it.

    Only the partitions that are named are changed, and in them only those files: all else of the
    image stays byte for byte. Partitions with FAT and ext4 are known.
    """
    from dockyard.engine.store import Store
    from dockyard.host import clock
    from dockyard.pipeline.inject import inject, plan_injection

    began = clock.monotonic()
    kept = Store(store)
    remark(without_part(store, tools_dir=tools_dir))
    planned = plan_injection(
        config_file,
        image_file,
        output_image_file,
        output_image_format,
        kept,
        cosi_compression_level,
    )
    remark([*without_part(store, tools_dir=tools_dir), *planned.remarks])
    with display(progress) as listener:
        inject(planned, kept, origins_of(debian_mirror, mirror_dir), listener, build_dir)
    seconds = clock.monotonic() - began
    facts: dict[str, Any] = {
        "image": str(planned.target),
        "format": planned.format.name,
        "injected": [item.destination for _, item in planned.files.items],
        **written_facts(planned.target, kept),
        "seconds": round(seconds, 2),
    }
    count = len(planned.files.items)
    text = (
        f"{output_image_file or image_file}: {facts['format']}, "
        f"{terminal.size(facts['size'])}, {count} file{'' if count == 1 else 's'} injected, "
        f"{terminal.duration(seconds)}"
    )
    return Answer(text, facts)
