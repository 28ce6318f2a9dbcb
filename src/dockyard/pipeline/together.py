"""Readings whose mistakes are told together."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import TypeVar

from dockyard.errors import DockyardError, Problem, Problems

T = TypeVar("T")


class Together:
    """Runs several readings and keeps what is wrong with each, to be told together."""

    def __init__(self) -> None:
        self._problems = Problems()

    def get(self, read: Callable[[], T], known: Collection[str] = ()) -> T | None:
        """What a reading gives; None where something is wrong. known: codes of what another reading
        told already.
        """
        try:
            return read()
        except DockyardError as error:
            self._problems.extend(each for each in error.problems if each.code not in known)
            return None

    def extend(self, problems: Iterable[Problem]) -> None:
        self._problems.extend(problems)

    def has(self, code: str) -> bool:
        """Whether an error of a code was found."""
        return any(each.code == code for each in self._problems.errors)

    @property
    def remarks(self) -> tuple[Problem, ...]:
        return self._problems.remarks

    def raise_any(self) -> None:
        self._problems.raise_any()
