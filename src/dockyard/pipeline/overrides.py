"""What a command line says in place of an image file, which comes first everywhere."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dockyard.errors import DockyardError, Problem
from dockyard.model.input import AzureLinuxImage, InputImage, OciImage

_FORMS = "oci:<reference> or azureLinux:<variant>:<version>"


@dataclass(frozen=True, slots=True)
class Overrides:
    """input: the image to customize, with an absolute path where it is a file. output: where the
    image goes; output_format: what it is written as; level: of compression. None: what the image
    file says. rpm_sources: directories of RPMs and .repo files. without_image_repositories: leave
    out those of the image. snapshot_time: in place of os.packages.snapshotTime. policy: where the
    SELinux policy goes.
    """

    input: InputImage | None = None
    output: Path | None = None
    output_format: str | None = None
    level: int | None = None
    rpm_sources: tuple[Path, ...] = ()
    without_image_repositories: bool = False
    snapshot_time: str = ""
    policy: Path | None = None


def input_named(text: str) -> InputImage:
    """What `--image` names. Raises DockyardError (`image.reference`)."""
    kind, _, rest = text.partition(":")
    found: InputImage | None = None
    if kind == "oci":
        found = InputImage(oci=OciImage(uri=rest))
    elif kind.lower() == "azurelinux" and rest.count(":") == 1:
        variant, _, version = rest.partition(":")
        found = InputImage(azure_linux=AzureLinuxImage(variant=variant, version=version))
    if found is None:
        what = f"{text!r} does not say where an image is"
        raise DockyardError(Problem("image.reference", what, "--image", fix=f"give {_FORMS}"))
    named = found.oci or found.azure_linux
    assert named is not None
    mistakes = [Problem(each.code, each.what, "--image", fix=each.fix) for each in named.mistakes()]
    if mistakes:
        raise DockyardError(*mistakes)
    return found
