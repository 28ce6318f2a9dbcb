"""Words of a kernel command line in which a name stands for what a step finds out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from dockyard.pipeline.arguments.image import Found


def found_words(
    result: Callable[[str], Path], words: Iterable[str], found: Mapping[str, Found]
) -> str:
    """The words as one text, with what was found in place of each `{NAME}`. result: gives the place
    of a result by the name of its step.
    """
    text = " ".join(words)
    for name, place in found.items():
        if f"{{{name}}}" in text:
            told = (result(place.step) / place.file).read_text().strip()
            text = text.replace(f"{{{name}}}", told)
    return text
