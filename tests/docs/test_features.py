"""The pages of features, and of what was tried, are those of the tests, and neither has a hole."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from snippets import ROOT

from features import FEATURES

_CODE = """
import json
import draw_features, draw_tried
from shown import collected
shown = collected()
tried = draw_tried.Page(shown)
print(json.dumps({"features": draw_features.page(shown), "tried": tried.text,
                  "holes": tried.holes, "stale": tried.stale}))
"""


@pytest.fixture(scope="module")
def drawn() -> dict[str, Any]:
    """Both pages as they are now, and what the second lacks."""
    done = subprocess.run(
        [sys.executable, "-c", _CODE], cwd=ROOT / "scripts", capture_output=True, text=True
    )
    assert not done.returncode, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


@pytest.mark.parametrize("name", ["features", "tried"])
def test_the_page_is_current(name: str, drawn: dict[str, Any]) -> None:
    text = (ROOT / f"docs/reference/{name}.md").read_text()
    assert text == drawn[name], "regenerate it with scripts/generate-docs"


def test_no_feature_is_without_a_test(drawn: dict[str, Any]) -> None:
    text: str = drawn["features"]
    assert [each for each in FEATURES if f"- {each} (" in text and text.count(f"| {each} |") == 1]
    lacking = [line for line in text.splitlines() if line.endswith("): none")]
    assert not lacking


def test_what_was_not_tried_has_a_reason_and_no_reason_is_left_over(drawn: dict[str, Any]) -> None:
    assert (drawn["holes"], drawn["stale"]) == ([], [])
