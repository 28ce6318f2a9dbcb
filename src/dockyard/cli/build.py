"""`dockyard build`: make the image that a file describes, and put it where it is wanted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dockyard.cli import terminal
from dockyard.cli.answer import Answer
from dockyard.cli.display import display
from dockyard.cli.image_options import cosi_level_option, image_options, output_file_option
from dockyard.cli.options import jobs_option, origins_of, progress_option
from dockyard.cli.verb import Verb, remark
from dockyard.cli.written import written_facts

if TYPE_CHECKING:
    from dockyard.engine.store import Store
    from dockyard.pipeline.build import BuiltImage, PlannedImage


@click.command(cls=Verb)
@image_options
@progress_option
@output_file_option
@cosi_level_option
@jobs_option
@click.option("--verify", is_flag=True, help="Build twice, from nothing, and compare every byte.")
def command(
    image: Path,
    store: Path,
    progress: str,
    output_image_file: Path | None,
    output_image_format: str | None,
    cosi_compression_level: int | None,
    rpm_source: tuple[Path, ...],
    debian_mirror: tuple[str, ...],
    mirror_dir: tuple[Path, ...],
    jobs: int,
    verify: bool,
) -> Answer:
    """Build the image that IMAGE, an image file, describes.

    The packages are those of the lock beside it (image.yaml: image.lock), made by `dockyard lock`.
    What has not changed since an earlier build is taken from the store.
    """
    from dockyard.host import clock

    began = clock.monotonic()  # before the imports that take most of an unchanged build's time

    from dockyard.engine.store import Store
    from dockyard.pipeline.build import build_image, plan_image

    origins = origins_of(debian_mirror, mirror_dir)
    kept = Store(store)
    planned = plan_image(
        image,
        kept,
        origins,
        output_image_format,
        rpm_source,
        output_image_file,
        cosi_compression_level,
    )
    remark(planned.remarks)
    with display(progress) as listener:
        built = build_image(planned, kept, listener, jobs=jobs, verify=verify)
    return built_answer(planned, built, kept, clock.monotonic() - began)


def built_answer(planned: PlannedImage, built: BuiltImage, store: Store, seconds: float) -> Answer:
    """What there is to say of an image that was built. seconds: that it took."""
    facts: dict[str, Any] = {
        "name": planned.request.name,
        "image": str(built.path),
        "manifest": str(built.manifest),
        "format": built.format,
        "packages": built.packages,
        "files": built.files,
        **written_facts(built.path, store),
        "changed": built.changed,
        "placed": built.placed,
        "verified": built.verified,
        "artifacts": [str(path) for path in built.artifacts],
        "givenUp": built.given_up.size if built.given_up else 0,
        "seconds": round(seconds, 2),
    }
    text = _text(facts, planned.output, terminal.duration(seconds))
    if built.given_up and built.given_up.results:
        from dockyard.cli.store_text import given_up

        text += f"\n{given_up(built.given_up)}"
    return Answer(text, facts, logged=built.changed)


def _text(facts: dict[str, Any], named: Path, took: str) -> str:
    """The facts of a build for a person."""
    if not facts["changed"] and not facts["placed"]:
        lines = [f"unchanged: {named}, {took}"]
    else:
        made = "" if facts["changed"] else ", of what the store had"
        lines = [
            f"{named}: {facts['format']}, {terminal.size(facts['size'])} "
            f"({terminal.size(facts['used'])} used), {facts['packages']} packages, "
            f"{facts['files']} files{made}, {took}"
        ]
    if facts["verified"]:
        lines.append("verified: identical, every byte of a second build from nothing")
    if facts["artifacts"]:
        described, *others = facts["artifacts"]
        count = f"{len(others)} file{'' if len(others) == 1 else 's'}"
        lines.append(f"{count} for signing, and what has them injected again: {described}")
    lines.append(f"every file, with its digest and package: {facts['manifest']}")
    return "\n".join(lines)
