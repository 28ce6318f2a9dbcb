"""`dockyard build`: make the image that a file describes, and put it where it is wanted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dockyard.cli import terminal
from dockyard.cli.answer import Answer
from dockyard.cli.choice import Choice
from dockyard.cli.display import display
from dockyard.cli.image_options import cosi_level_option, image_options, output_file_option
from dockyard.cli.options import jobs_option, origins_of, progress_option
from dockyard.cli.verb import Verb, remark
from dockyard.cli.written import written_facts

if TYPE_CHECKING:
    from dockyard.config import LoadedImage
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
    choice: Choice,
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
    """Build the image that IMAGE, an image file, describes, or all images of its matrix.

    The packages are those of the lock beside it (image.yaml: image.lock), made by `dockyard lock`.
    What has not changed since an earlier build is taken from the store.
    """
    from dockyard.host import clock

    began = clock.monotonic()  # before the imports that take most of an unchanged build's time

    from dockyard.engine.store import Store
    from dockyard.pipeline.build import plan_image
    from dockyard.pipeline.several import build_images, plan_images

    origins = origins_of(debian_mirror, mirror_dir)
    kept = Store(store)
    chosen = choice.all(image)
    if len(chosen) > 1 and output_image_file:
        what = f"--output-image-file names one image, and there are {len(chosen)}"
        raise click.UsageError(f"{what}: choose one with --variant")

    def plan(loaded: LoadedImage) -> PlannedImage:
        return plan_image(
            loaded,
            kept,
            origins,
            output_image_format,
            rpm_source,
            output_image_file,
            cosi_compression_level,
        )

    planned = plan_images(chosen, plan)
    for each in planned:
        remark(each.remarks)
    with display(progress) as listener:
        built = build_images(planned, kept, listener, jobs=jobs, verify=verify)
    seconds = clock.monotonic() - began
    if len(built) == 1:
        return built_answer(planned[0], built[0], kept, seconds)
    return _of_several(list(zip(planned, built, strict=True)), kept, seconds)


def _of_several(
    made: Sequence[tuple[PlannedImage, BuiltImage]], store: Store, seconds: float
) -> Answer:
    """What there is to say of the images of one file. seconds: that all took."""
    facts = [_facts(planned, built, store, seconds) for planned, built in made]
    lines = [
        line
        for each, (planned, _) in zip(facts, made, strict=True)
        for line in _text(each, planned.output)
    ]
    changed = sum(built.changed or built.placed for _, built in made)
    lines.append(
        f"{len(made)} images, {changed or 'none'} of them new, {terminal.duration(seconds)}"
    )
    lines += _given_up(made[-1][1])
    whole = {"images": facts, "seconds": round(seconds, 2)}
    return Answer("\n".join(lines), whole, logged=any(built.changed for _, built in made))


def built_answer(planned: PlannedImage, built: BuiltImage, store: Store, seconds: float) -> Answer:
    """What there is to say of an image that was built. seconds: that it took."""
    facts = _facts(planned, built, store, seconds)
    lines = _text(facts, planned.output, terminal.duration(seconds))
    lines.append(f"every file, with its digest and package: {facts['manifest']}")
    lines += _given_up(built)
    return Answer("\n".join(lines), facts, logged=built.changed)


def _given_up(built: BuiltImage) -> list[str]:
    """What was removed from the store, in words."""
    if not built.given_up or not built.given_up.results:
        return []
    from dockyard.cli.store_text import given_up

    return [given_up(built.given_up)]


def _facts(
    planned: PlannedImage, built: BuiltImage, store: Store, seconds: float
) -> dict[str, Any]:
    return {
        "name": planned.request.product,
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


def _text(facts: dict[str, Any], named: Path, took: str = "") -> list[str]:
    """The facts of a build for a person. took: where it is told of each image."""
    took = f", {took}" if took else ""
    if not facts["changed"] and not facts["placed"]:
        lines = [f"unchanged: {named}{took}"]
    else:
        made = "" if facts["changed"] else ", of what the store had"
        lines = [
            f"{named}: {facts['format']}, {terminal.size(facts['size'])} "
            f"({terminal.size(facts['used'])} used), {facts['packages']} packages, "
            f"{facts['files']} files{made}{took}"
        ]
    if facts["verified"]:
        lines.append("verified: identical, every byte of a second build from nothing")
    if facts["artifacts"]:
        described, *others = facts["artifacts"]
        count = f"{len(others)} file{'' if len(others) == 1 else 's'}"
        lines.append(f"{count} for signing, and what has them injected again: {described}")
    return lines
