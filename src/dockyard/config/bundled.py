"""The distributions that come with Dockyard, which an image file may name where no such path is.

A wheel carries them beside the modules; in a checkout they are the directory `distros` at its top.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

FILE_NAME = "distro.yaml"
_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*"


def is_name(text: str) -> bool:
    """Whether a text may name a distribution: it has no slash and does not end like a file of YAML.

    What is beside the image file under that name is meant all the same.
    """
    return bool(re.fullmatch(_NAME, text)) and not text.endswith((".yaml", ".yml"))


def distro_word(directory: Path) -> Path | str:
    """What the command line calls a distribution: its name where it comes with Dockyard."""
    names = {place: name for name, place in bundled_distros().items()}
    return names.get(directory.resolve(), directory)


@lru_cache
def bundled_distros() -> Mapping[str, Path]:
    """Name → directory of every distribution that comes with Dockyard."""
    package = Path(__file__).resolve().parents[1]
    for place in (package / "distros", package.parents[1] / "distros"):
        found = {file.parent.name: file.parent for file in sorted(place.glob(f"*/{FILE_NAME}"))}
        if found:
            return found
    return {}
