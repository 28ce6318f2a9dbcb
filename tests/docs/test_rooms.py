"""The modules of the house: none in a circle with others, none too long to be read at once."""

from __future__ import annotations

import sys
from graphlib import CycleError, TopologicalSorter

from snippets import ROOT

sys.path.append(str(ROOT / "scripts"))
from draw_architecture import module_imports

# Lines, of any module; most have less than 300.
LONGEST = 500


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Imports for types and those inside functions count as well."""
    imported = module_imports()
    assert "dockyard.engine.step" in imported["dockyard.engine.plan"]
    try:
        TopologicalSorter(imported).prepare()
    except CycleError as error:
        raise AssertionError(" imports ".join(reversed(error.args[1]))) from None


def test_no_module_is_too_long() -> None:
    modules = {path: path.read_text().count("\n") for path in (ROOT / "src").rglob("*.py")}
    assert modules
    assert {str(path): lines for path, lines in modules.items() if lines > LONGEST} == {}
