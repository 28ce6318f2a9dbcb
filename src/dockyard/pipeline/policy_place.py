"""Where the SELinux policy of an image is put: what the command line says, else the image file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dockyard.config import LoadedImage
from dockyard.errors import DockyardError, Position, Problem

_OPTION = "--output-selinux-policy-path"
_KEY = "output.selinuxPolicyPath"


@dataclass(frozen=True, slots=True)
class PolicyPlace:
    """A directory, and what names it."""

    path: Path
    where: Position | str
    name: str


def policy_place(loaded: LoadedImage, given: Path | None) -> PolicyPlace | None:
    """Where the policy goes; None where nobody wants it. given: on the command line.

    Raises DockyardError (`build.policy-place`) for what is no directory.
    """
    said = loaded.image.output.selinux_policy_path
    if given is None and not said:
        return None
    if given is not None:
        place = PolicyPlace(given.absolute(), _OPTION, _OPTION)
    else:
        place = PolicyPlace(loaded.local(said), loaded.position(_KEY), _KEY)
    if place.path.exists() and not place.path.is_dir():
        what = f"{place.path} is no directory"
        fix = "name a directory for the policy, or one that is to be made"
        raise DockyardError(Problem("build.policy-place", what, place.where, fix=fix))
    return place
