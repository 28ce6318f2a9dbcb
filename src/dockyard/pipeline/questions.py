"""The questions to a booted image, from its request and from what its build left."""

from __future__ import annotations

from pathlib import Path

from dockyard.pipeline.arguments import COMMAND_LINE, EXPECTED, MANIFEST
from dockyard.pipeline.checks import Built, image_questions
from dockyard.pipeline.expected import Expected
from dockyard.pipeline.image import fstab_of
from dockyard.pipeline.request import ImageRequest
from dockyard.tree.check import Question


def questions_of(
    request: ImageRequest,
    manifest: Path | None,
    *,
    every_file: bool = False,
) -> list[Question]:
    """What a booted guest is asked about an image. manifest: the result of the manifest's step,
    where the store has it. every_file: ask for the bytes of all files, not of a sample.
    """
    expected = Expected.load(manifest / EXPECTED) if manifest else None
    built = Built(manifest / MANIFEST, expected, every_file) if manifest and expected else None
    command_line = " ".join(request.command_line)
    if manifest is not None:  # with what was found while it was built
        command_line = (manifest / COMMAND_LINE).read_text().rstrip("\n")
    return image_questions(
        request.loaded,
        request.lock.packages,
        (*request.settings.settings, fstab_of(request)),
        command_line,
        request.layout,
        built,
    )
