"""`dockyard convert`: write the disk of an image in another format."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from dockyard.engine.store import Store
    from dockyard.pipeline.convert import Converted, PlannedConversion


@click.command(cls=Verb)
@click.option(
    "--image-file",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The image whose disk is converted.",
)
@click.option(
    "output_image_file",
    "--output-path",
    "--output-image-file",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where to put the new image.",
)
@click.option(
    "--output-image-format",
    required=True,
    help=f"Format of the new image: {one_of(holding(Holds.DISK))}.",
)
@rewriting_options
@origin_options
@store_option
@progress_option
@log_options
@tools_dir_option
def command(
    image_file: Path,
    output_image_file: Path,
    output_image_format: str,
    cosi_compression_level: int | None,
    build_dir: Path | None,
    debian_mirror: tuple[str, ...],
    mirror_dir: tuple[Path, ...],
    store: Path,
    progress: str,
    tools_dir: Path | None,
) -> Answer:
    """Write the disk of an image in another format: the same disk, byte for byte.

    The input is a disk of any format that `inspect` reads. It is not changed, and neither mounted
    nor started; holes stay holes. The same disk gives the same bytes, whatever it came in.
    """
    from dockyard.engine.store import Store
    from dockyard.host import clock
    from dockyard.pipeline.convert import convert, plan_conversion

    began = clock.monotonic()
    kept = Store(store)
    remark(without_part(store, tools_dir=tools_dir))
    planned = plan_conversion(
        image_file, output_image_format, output_image_file, kept, cosi_compression_level
    )
    remark([*without_part(store, tools_dir=tools_dir), *planned.remarks])
    with display(progress) as listener:
        done = convert(planned, kept, origins_of(debian_mirror, mirror_dir), listener, build_dir)
    remark(done.remarks)
    return _answer(planned, done, kept, clock.monotonic() - began, output_image_file)


def _answer(
    planned: PlannedConversion, done: Converted, store: Store, seconds: float, named: Path
) -> Answer:
    facts: dict[str, Any] = {
        "image": str(done.path),
        "format": planned.format.name,
        "from": str(planned.container),
        **written_facts(done.path, store),
        "placed": done.placed,
        "seconds": round(seconds, 2),
    }
    took = terminal.duration(seconds)
    if not done.placed:
        return Answer(f"unchanged: {named}, {took}", facts)
    text = (
        f"{named}: {facts['format']}, {terminal.size(facts['size'])} "
        f"({terminal.size(facts['used'])} used), of {facts['from']}, {took}"
    )
    return Answer(text, facts)
