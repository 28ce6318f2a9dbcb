"""What the format of an image makes of its file: its own rules, and settings of other formats.

Which formats there are, and what each of them wants, only the formats know.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from dockyard.config import LoadedImage
from dockyard.errors import Problem, Severity
from dockyard.formats import Holds, holding, supported
from dockyard.formats import by_name as format_by_name
from dockyard.model.base import Segment, written_names
from dockyard.model.output import OutputImage

WITHOUT_DISK = frozenset(holding(Holds.LIVE, Holds.GUEST, Holds.EXTENSION))
"""Formats that have no disk, whatever the image file says of one."""
GUESTS = frozenset(holding(Holds.GUEST))
EXTENSIONS = frozenset(holding(Holds.EXTENSION))

# Of no format alone, and judged with the level of compression.
_COMMON = ("path", "format", "cosi")


def format_problems(loaded: LoadedImage, name: str) -> Iterator[Problem]:
    """Mistakes and remarks of a format about an image file; none for an unknown one."""
    if name not in supported():
        return
    chosen = format_by_name(name)
    for key in written_names(OutputImage).values():
        at = f"output.image.{key}"
        if key not in (*_COMMON, chosen.section) and at in loaded.positions:
            yield replace(
                loaded.problem(at, "format.other-section", f"{at}: not used for the format {name}"),
                severity=Severity.NOTE,
            )
    for found in chosen.judged(loaded.image):
        told = loaded.problem(
            _dotted(found.path), found.code, found.what, why=found.why, fix=found.fix
        )
        yield replace(told, severity=found.severity)


def format_remarks(loaded: LoadedImage) -> Iterator[Problem]:
    """What the format that a file names says of it, without what it refuses."""
    for each in format_problems(loaded, _named(loaded)):
        if each.severity is not Severity.ERROR:
            yield each


def format_refusals(loaded: LoadedImage, *, of_packages: bool = False) -> Iterator[Problem]:
    """What the format that a file names refuses of it. of_packages: the image is made of these."""
    name = _named(loaded)
    for each in format_problems(loaded, name):
        if each.severity is Severity.ERROR:
            yield each
    if of_packages and name in EXTENSIONS:
        yield of_nothing(loaded, name)


def _named(loaded: LoadedImage) -> str:
    return str(loaded.image.output.image.format or "raw")


def _dotted(path: tuple[Segment, ...]) -> str:
    """A path as positions have it: `os.services.enable[0]`."""
    text = "".join(f"[{each}]" if isinstance(each, int) else f".{each}" for each in path)
    return text.removeprefix(".")


def of_nothing(loaded: LoadedImage, name: str) -> Problem:
    """The problem of an extension that is to be made of packages alone."""
    return loaded.problem(
        "output.image.format",
        "format.extension-of-nothing",
        f"the format {name} has what is added to an image that exists, and none is given",
        fix="use `dockyard customize` with --image-file, and the packages in os.packages.install",
    )
