"""What the tests say that they show, as pytest collects it. See `covers` in tests/features.py."""

from __future__ import annotations

import contextlib
import io
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from features import (  # noqa: E402
    ELSEWHERE,
    FEATURES,
    UNTRIED,
    Proof,
    Untried,
    Way,
)

__all__ = [
    "ELSEWHERE",
    "FEATURES",
    "ROOT",
    "UNTRIED",
    "Proof",
    "Shown",
    "Untried",
    "Way",
    "collected",
]

_TESTS = ("tests/images", "tests/formats")


@dataclass(frozen=True, slots=True)
class Shown:
    """What one mark of a test says. test: without its parameters. boots: whether it starts the
    image; seldom: whether it is left out of the quick run of all tests. The rest: see `covers`.
    """

    test: str
    boots: bool
    seldom: bool
    features: tuple[str, ...]
    file_system: str
    loader: str
    way: Way
    format: str
    distribution: str
    architecture: str
    proofs: tuple[Proof, ...]
    judge: str

    @property
    def column(self) -> str:
        return f"{self.file_system}, {self.loader}"


class _Collector:
    def __init__(self) -> None:
        self.found: list[Shown] = []

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        for item in session.items:
            boots, seldom = (item.get_closest_marker(each) is not None for each in ("boot", "long"))
            params = item.callspec.params if hasattr(item, "callspec") else {}
            for mark in item.iter_markers("covers"):
                said = {name: _filled(value, params) for name, value in mark.kwargs.items()}
                name = item.nodeid.partition("[")[0]
                self.found.append(Shown(name, boots, seldom, **said))


def _filled(value: Any, params: dict[str, object]) -> Any:
    return value.format_map(params) if type(value) is str else value


def collected() -> list[Shown]:
    """All that tests say of themselves."""
    collector = _Collector()
    with contextlib.redirect_stdout(io.StringIO()):
        words = ["--collect-only", "-q", "-p", "no:cacheprovider"]
        status = pytest.main([*words, *(str(ROOT / each) for each in _TESTS)], plugins=[collector])
    assert status == 0, "the tests cannot be collected"
    return collector.found
