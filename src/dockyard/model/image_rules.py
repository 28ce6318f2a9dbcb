"""The rules across the parts of an image file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING

from dockyard.model.base import Mistake, Step, has_blank

if TYPE_CHECKING:
    from dockyard.model import image as m


class InjectIdType(StrEnum):
    UUID = "uuid"
    PART_UUID = "part-uuid"
    PART_LABEL = "part-label"


def package_names(names: Sequence[str], *at: Step) -> Iterator[Mistake]:
    for index, name in enumerate(names):
        if not name.strip() or has_blank(name):
            yield Mistake(
                (*at, index),
                "config.package-name",
                f"{name!r} is not the name of a package",
                "give one name per item",
            )


def image(value: m.Image) -> Iterator[Mistake]:
    yield from ()
