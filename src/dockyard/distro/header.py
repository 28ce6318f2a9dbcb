"""distro.yaml alone: all that images need to know of the distribution that they are made of.

What it is made of (components, packages, scriptlets) is read by `distro.load`, for those who make
its packages.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dockyard.config import source
from dockyard.config.kinds import FileKind, require_kind
from dockyard.config.load import load_model
from dockyard.errors import DockyardError, Problem
from dockyard.model.distro import Distro

FILE_NAME = "distro.yaml"
_FIX = f"name a directory with a {FILE_NAME}, such as distros/harbor"


@dataclass(frozen=True, slots=True)
class DistroHeader:
    """What distro.yaml says. file: as it was named; directory: absolute."""

    file: Path
    distro: Distro

    @property
    def directory(self) -> Path:
        return self.file.parent.absolute()


def read_header(path: Path) -> DistroHeader:
    """Read distro.yaml, or the one in a directory. Raises DockyardError with every mistake."""
    file = path / FILE_NAME if path.is_dir() else path
    if not file.is_file():
        what = f"there is no distribution at {path}"
        raise DockyardError(Problem("distro.missing", what, fix=_FIX))
    require_kind(file, source.read_text(file), FileKind.DISTRO, _FIX)
    return DistroHeader(file, load_model(Distro, file))
