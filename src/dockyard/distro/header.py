"""distro.yaml alone: all that images need to know of the distribution that they are made of.

What it is made of (components, packages, scriptlets) is read by `distro.load`, for those who make
its packages.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from dockyard.config import source
from dockyard.config.kinds import FileKind, require_kind
from dockyard.config.load import load_model
from dockyard.errors import DockyardError, Problem
from dockyard.model.architecture import Architecture
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


def read_header(path: Path, architecture: Architecture | None = None) -> DistroHeader:
    """Read distro.yaml, or the one in a directory, as it is for an architecture: None for the first
    that it has. Raises DockyardError with every mistake.
    """
    file = path / FILE_NAME if path.is_dir() else path
    if not file.is_file():
        what = f"there is no distribution at {path}"
        raise DockyardError(Problem("distro.missing", what, fix=_FIX))
    require_kind(file, source.read_text(file), FileKind.DISTRO, _FIX)
    return DistroHeader(file, _for_one(load_model(Distro, file), architecture, file))


def _for_one(distro: Distro, wanted: Architecture | None, file: Path) -> Distro:
    known = distro.every_architecture
    chosen = wanted or known[0]
    if chosen not in known:
        raise DockyardError(
            Problem(
                "distro.not-for-architecture",
                f"the distribution {distro.name} is not for {chosen}",
                str(file),
                why=f"it is for {', '.join(known)}",
                fix=f"name one of these, or add {chosen} to `architectures`, with all that differs",
            )
        )
    if chosen is distro.architecture and not distro.architectures:
        return distro
    return replace(distro, architecture=chosen, architectures=known)
