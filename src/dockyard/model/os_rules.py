"""The rules of `os`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from dockyard.model.base import Mistake

if TYPE_CHECKING:
    from dockyard.model import os as m


def packages(value: m.Packages) -> Iterator[Mistake]:
    yield from ()


services = module = overlay = os = packages  # type: ignore
