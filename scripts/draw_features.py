"""Draws docs/reference/features.md: which feature is shown on which file system and boot loader, by
tests that build an image or boot it. See tests/features.py.
"""

from __future__ import annotations

import contextlib
import io
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from features import FEATURES  # noqa: E402

PAGE = ROOT / "docs/reference/features.md"
_HEAD = """\
# What is shown to work, and on what

Made from the tests by `scripts/generate-docs`. **boots**: an image with the feature is built,
booted in a virtual machine and asked from inside. **built**: it is built, and looked at from
outside. Columns are the file system of the root and what the image boots with.
"""


@dataclass(frozen=True, slots=True)
class Shown:
    """A test that shows features."""

    test: str
    features: tuple[str, ...]
    column: str
    boots: bool


class _Collector:
    def __init__(self) -> None:
        self.found: list[Shown] = []

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        for item in session.items:
            boots = item.get_closest_marker("boot") is not None
            for mark in item.iter_markers("covers"):
                column = f"{mark.kwargs['file_system']}, {mark.kwargs['loader']}"
                name = item.nodeid.partition("[")[0]
                self.found.append(Shown(name, mark.kwargs["features"], column, boots))


def collected() -> list[Shown]:
    """All that tests say of themselves."""
    collector = _Collector()
    with contextlib.redirect_stdout(io.StringIO()):
        words = ["--collect-only", "-q", "-p", "no:cacheprovider", str(ROOT / "tests/images")]
        status = pytest.main(words, plugins=[collector])
    assert status == 0, "the tests cannot be collected"
    return collector.found


def page(shown: list[Shown]) -> str:
    """The page, as Markdown."""
    columns = sorted({each.column for each in shown})
    cells: dict[tuple[str, str], bool] = defaultdict(bool)
    tests: dict[str, set[str]] = defaultdict(set)
    for each in shown:
        for feature in each.features:
            cells[feature, each.column] |= each.boots
            tests[feature].add(each.test)
    lines = [_HEAD, f"| feature | {' | '.join(columns)} |", f"| --- |{' --- |' * len(columns)}"]
    for feature in FEATURES:
        row = [
            ("boots" if cells[feature, column] else "built") if (feature, column) in cells else ""
            for column in columns
        ]
        lines.append(f"| {feature} | {' | '.join(row)} |")
    lines += ["", "The tests, by feature:", ""]
    for feature, what in FEATURES.items():
        names = ", ".join(f"`{name}`" for name in sorted(tests[feature])) or "none"
        lines.append(f"- {feature} ({what}): {names}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(collected()))
    print(PAGE.relative_to(ROOT))
