"""What a command line says in place of an image file, which comes first everywhere."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dockyard.model.input import InputImage


@dataclass(frozen=True, slots=True)
class Overrides:
    """input: the image to customize, with an absolute path where it is a file. output: where the
    image goes; output_format: what it is written as. None: what the image file says.
    """

    input: InputImage | None = None
    output: Path | None = None
    output_format: str | None = None
    level: int | None = None
