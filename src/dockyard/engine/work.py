"""What a step holds when it runs, and how a function is called for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from dockyard.engine.codec import decode
from dockyard.host import stopping

Progress = Callable[[str, int, int, str], None]


def _silent(note: str, done: int, total: int, unit: str) -> None:
    """For who hears nothing."""


@dataclass(frozen=True)
class Work:
    """What a step's function gets beside its arguments.

    out: the empty directory to fill; it becomes the result as it is, but for the times of files
    directly in it. results: where the results of its inputs are, by the steps' names. store: the
    root of the store, where what is fetched is kept (`packages.blobs`).
    """

    out: Path
    results: Mapping[str, Path]
    store: Path
    told: Progress = _silent
    known: dict[str, str] = field(default_factory=dict)

    def result(self, name: str) -> Path:
        """The result of an input."""
        return self.results[name]

    def digested(self, digests: Mapping[str, str]) -> None:
        """Tell the SHA-256, in hex, of files below `out` by path, so that none is read twice."""
        self.known.update(digests)

    def progress(self, note: str, done: int = 0, total: int = 0, unit: str = "") -> None:
        """Say how far the step is."""
        stopping.check()
        self.told(note, done, total, unit)


def call(function: str, arguments: Mapping[str, Any], work: Work) -> None:
    """Call a function that a step names."""
    found, of = _step_function(function)
    found(work, decode(of, arguments))


def decoded(function: str, arguments: Any) -> Any:
    """What a step's function is called with, from JSON values. Raises ImportError, AttributeError,
    TypeError, ValueError or KeyError for what is no step's function, or not its arguments.
    """
    return decode(_step_function(function)[1], arguments)


def _step_function(function: str) -> tuple[Callable[[Work, Any], None], Any]:
    """The function of a name, and the type of its arguments."""
    place, _, name = function.partition(":")
    module = import_module(place)
    found = getattr(module, name)
    annotations = list(getattr(found, "__annotations__", {}).values())
    if not callable(found) or len(annotations) != 3 or annotations[0] not in ("Work", Work):
        raise TypeError(f"{function} is no function of a step")
    of = annotations[1]
    return found, eval(of, vars(module)) if isinstance(of, str) else of
