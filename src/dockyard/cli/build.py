"""`dockyard build`: make the image that a file describes, and put it where it is wanted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from dockyard.cli import terminal
from dockyard.cli.answer import Answer
from dockyard.cli.display import display
from dockyard.cli.image_options import image_options
from dockyard.cli.options import jobs_option, origins_of, progress_option
from dockyard.cli.verb import Verb, remark, wants_json


@click.command(cls=Verb)
@image_options
@progress_option
@click.option(
    "--output-image-file",
    "--output-path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where to put the image. Default: output.image.path of the file, or the image's name.",
)
@jobs_option
@click.option("--verify", is_flag=True, help="Build twice, from nothing, and compare every byte.")
def command(
    image: Path,
    store: Path,
    progress: str,
    output_image_file: Path | None,
    output_image_format: str | None,
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
    import json

    from dockyard.host import clock

    began = clock.monotonic()  # before the imports that take most of an unchanged build's time

    from dockyard.engine.run import run_plan
    from dockyard.engine.store import Store
    from dockyard.host import namespace
    from dockyard.pipeline.build import plan_image, without_damage
    from dockyard.pipeline.image import MANIFEST, REPORT
    from dockyard.pipeline.output import (
        image_digest,
        is_placed,
        misnamed,
        output_path,
        place,
        require_placeable,
    )

    origins = origins_of(debian_mirror, mirror_dir)
    kept = Store(store)
    planned = plan_image(image, kept, origins, output_image_format, rpm_source)
    remark(planned.request.remarks)
    named = output_path(planned.request, output_image_file)
    remark(misnamed(named, planned.request.format, planned.request.extension))
    target = require_placeable(named, planned.request.inputs, kept)
    placing = not is_placed(planned.steps.artefact, target, kept)
    planned = without_damage(planned, kept, whole_image=placing)
    if planned.plan.to_run or verify or kept.has_work():
        namespace.enter()
        kept.sweep()
    nothing_to_tell = not planned.plan.to_run and not verify and progress != "json"
    with display("quiet" if nothing_to_tell else progress) as listener:
        run_plan(planned.plan, kept, listener, jobs=jobs)
        if verify:
            from dockyard.pipeline.verify import verify_build

            verify_build(planned, kept, listener, jobs)
    kept.keep_record(planned.record_name, planned.plan.record)
    placed = place(kept.path(planned.steps.artefact), planned.steps.artefact_name, target, kept)
    report = (kept.path(planned.steps.goal) / REPORT).read_text()
    listed = kept.path(planned.steps.manifest) / MANIFEST
    digested = {}
    if wants_json():
        digested["sha256"] = image_digest(planned.steps.artefact, planned.steps.artefact_name, kept)
    seconds = clock.monotonic() - began
    facts = {
        **json.loads(report),
        **digested,
        "image": str(target.absolute()),
        "manifest": str(listed),
        "changed": bool(planned.plan.to_run),
        "placed": placed,
        "verified": verify,
        "seconds": round(seconds, 2),
    }
    text = _text(facts, named, terminal.duration(seconds))
    return Answer(text, facts, logged=bool(planned.plan.to_run))


def _text(facts: dict[str, Any], named: Path, took: str) -> str:
    """The facts of a build for a person."""
    if not facts["changed"]:
        lines = [f"unchanged: {named}{' (placed anew)' if facts['placed'] else ''}, {took}"]
    else:
        lines = [
            f"{named}: {facts['format']}, {terminal.size(facts['size'])} "
            f"({terminal.size(facts['used'])} used), {facts['packages']} packages, "
            f"{facts['files']} files, {took}"
        ]
    if facts["verified"]:
        lines.append("verified: identical, every byte of a second build from nothing")
    lines.append(f"every file, with its digest and package: {facts['manifest']}")
    return "\n".join(lines)
