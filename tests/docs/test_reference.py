"""The generated pages of the reference are those of this code."""

from __future__ import annotations

import pytest
from snippets import ROOT

from dockyard.cli.reference import pages
from dockyard.distro.load import load_distro
from dockyard.distro.packages_page import markdown


def test_the_page_of_harbors_packages_is_current() -> None:
    found = (ROOT / "docs/reference/harbor.md").read_text()
    text = markdown(load_distro(ROOT / "distros/harbor"))
    assert found == text, "regenerate it with scripts/generate-docs"


@pytest.mark.parametrize(("name", "text"), pages().items(), ids=list(pages()))
def test_page_is_current(name: str, text: str) -> None:
    found = (ROOT / "docs/reference" / name).read_text()
    assert found == text, "regenerate it with scripts/generate-docs"
