"""The image to customize as a file of this host: one that is there, or one that is fetched."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from dockyard.errors import DockyardError, Position, Problem, Severity
from dockyard.host import namespace
from dockyard.model.input import InputImage
from dockyard.pipeline.together import Together

if TYPE_CHECKING:
    from dockyard.config import LoadedImage
    from dockyard.packages.oci.access import Registries
    from dockyard.packages.oci.image import FoundImage

_NOT_VERIFIED = "who published it is not verified: no signature is looked at"


@dataclass(frozen=True, slots=True)
class InputFile:
    """path: of the image. remarks: what is to be told of it."""

    path: Path
    remarks: tuple[Problem, ...] = ()


def find_image(named: InputImage, where: Position | str, registries: Registries) -> FoundImage:
    """The image in a registry that `input.image` names; where: it does. Raises DockyardError."""
    from dockyard.packages.oci.reference import Reference

    try:
        if named.azure_linux is not None:
            asked = registries.azure_linux_reference(named.azure_linux)
            return registries.find(asked, None)
        assert named.oci is not None
        return registries.find(Reference.parse(named.oci.uri), named.oci.platform)
    except DockyardError as error:
        raise _at(error, where) from error


def fetched(named: InputImage, where: Position | str, registries: Registries) -> InputFile:
    """The disk of an image in a registry. Enters the namespace. Raises DockyardError."""
    namespace.enter()  # connections have threads, and it can be entered without any alone
    found = find_image(named, where, registries)
    try:
        path = registries.bring(found)
    except DockyardError as error:
        raise _at(error, where) from error
    return InputFile(path, (told(found, where),))


def where_named(
    loaded: LoadedImage | None, given: InputImage | None
) -> tuple[InputImage, Position | str] | None:
    """The image to customize, and what names it: the command line, else the file; None where
    neither does.
    """
    if given is not None:
        return given, "the command line"
    named = loaded.image.input.image if loaded is not None else None
    if loaded is None or named is None or not (named.path or named.oci or named.azure_linux):
        return None
    key = "oci" if named.oci else "azureLinux" if named.azure_linux else "path"
    return named, loaded.position(f"input.image.{key}")


def input_file(
    named: tuple[InputImage, Position | str],
    loaded: LoadedImage,
    registries: Registries,
    together: Together,
) -> InputFile:
    """The file of the image to customize. One that is in a registry is fetched only where nothing
    else is wrong.
    """
    image, where = named
    if image.path:
        return InputFile(loaded.local(image.path))
    together.raise_any()
    found = fetched(image, where, registries)
    together.extend(found.remarks)
    return found


def input_named_by(
    loaded: LoadedImage, given: InputImage | None
) -> tuple[InputImage, Position | str]:
    """The image to customize, and what names it."""
    if (named := where_named(loaded, given)) is not None:
        return named
    raise DockyardError(
        loaded.problem(
            "input.image.path",
            "image.no-input",
            "no image is given to customize",
            fix="give --image-file or --image, or add input.image to the file",
        )
    )


def told(found: FoundImage, where: Position | str) -> Problem:
    """What a reference turned out to mean."""
    if found.asked.digest:
        what, fix = f"{found.pinned} is customized", ""
    else:
        what = f"{found.asked} is {found.digest} now"
        fix = f"to mean this image for ever, name it {found.pinned}"
    return Problem("image.fetched", what, where, _NOT_VERIFIED, fix, severity=Severity.NOTE)


def _at(error: DockyardError, where: Position | str) -> DockyardError:
    """The problems at the place that names the image, with the address as part of the reason."""
    return DockyardError(*(_placed(each, where) for each in error.problems))


def _placed(problem: Problem, where: Position | str) -> Problem:
    why = "\n".join(part for part in (str(problem.where or ""), problem.why) if part)
    return replace(problem, where=where, why=why)
