"""Draws docs/reference/features.md: which feature is shown on which file system and boot loader, by
tests that build an image or boot it. See tests/features.py.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from shown import FEATURES, ROOT, Shown, collected

PAGE = ROOT / "docs/reference/features.md"
_HEAD = """\
# What is shown to work, and on what

Made from the tests by `scripts/generate-docs`. **boots**: an image with the feature is built,
booted in a virtual machine and asked from inside. **built**: it is built, and looked at from
outside. Columns are the file system of the root and what the image boots with.
"""


def page(shown: Sequence[Shown]) -> str:
    """The page, as Markdown."""
    shown = [each for each in shown if each.features]
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
