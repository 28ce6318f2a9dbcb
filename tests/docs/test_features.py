"""The page of features is that of the tests, and no feature is without one."""

from __future__ import annotations

import subprocess
import sys

from snippets import ROOT

from features import FEATURES

_CODE = "import draw_features as d; print(d.page(d.collected()), end='')"


def test_the_page_of_features_is_current_and_whole() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _CODE], cwd=ROOT / "scripts", capture_output=True, text=True
    )
    assert not done.returncode, done.stderr
    text = (ROOT / "docs/reference/features.md").read_text()
    assert text == done.stdout, "regenerate it with scripts/generate-docs"
    assert [each for each in FEATURES if f"- {each} (" in text and text.count(f"| {each} |") == 1]
    lacking = [line for line in text.splitlines() if line.endswith("): none")]
    assert not lacking
