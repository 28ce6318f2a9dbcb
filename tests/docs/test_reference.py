"""The generated pages of the reference are those of this code."""

from __future__ import annotations

import pytest
from snippets import ROOT

from dockyard.cli.reference import pages


@pytest.mark.parametrize(("name", "text"), pages().items(), ids=list(pages()))
def test_page_is_current(name: str, text: str) -> None:
    found = (ROOT / "docs/reference" / name).read_text()
    assert found == text, "write it anew with scripts/generate-docs"
