"""What code names a result: what its function imports, and no more."""

from __future__ import annotations

import ast
import re
import sys
from importlib import import_module
from pathlib import Path

import pytest

import dockyard
from dockyard.engine.code import closure, code_of

ROOT = Path(dockyard.__file__).parent
STEPS = ROOT / "pipeline/steps"


def modules_of_steps() -> list[str]:
    return [f"dockyard.pipeline.steps.{path.stem}" for path in STEPS.glob("[a-z]*.py")]


def imported(module: str) -> set[str]:
    """What a module imports of Dockyard, by its syntax tree."""
    parts = module.split(".")[1:]
    path = ROOT.joinpath(*parts).with_suffix(".py") if parts else ROOT / "__init__.py"
    tree = ast.parse((path if path.is_file() else ROOT.joinpath(*parts, "__init__.py")).read_text())
    hidden = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    found = set()
    for node in ast.walk(tree):
        if id(node) in hidden:
            continue
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("dockyard"):
            found.add(node.module or "")
            names = (f"{node.module}.{alias.name}" for alias in node.names)
            found.update(name for name in names if _is_module(name))
        elif isinstance(node, ast.Import):
            found.update(a.name for a in node.names if a.name.startswith("dockyard"))
    return found


def _is_module(name: str) -> bool:
    below = ROOT.joinpath(*name.split(".")[1:])
    return below.with_suffix(".py").is_file() or (below / "__init__.py").is_file()


@pytest.mark.parametrize("module", [*modules_of_steps(), "dockyard.tools.unpacking"])
def test_a_closure_has_all_that_is_imported(module: str) -> None:
    found = closure(module)
    for name in found:
        assert imported(name) <= found, name
    loaded = {name for name in sys.modules if name.startswith("dockyard.")}
    import_module(module)
    assert module in loaded or module in sys.modules


@pytest.mark.parametrize("module", modules_of_steps())
def test_no_step_of_an_image_hangs_on_what_plans_runs_or_shows_it(module: str) -> None:
    allowed = {"dockyard.engine", "dockyard.engine.codec", "dockyard.engine.code"}
    rooms = r"dockyard\.(cli|vm|distro|config|engine)\b"
    above = re.compile(rooms + r"|dockyard\.pipeline\.(image|build|\w+_steps)$")
    assert {name for name in closure(module) if above.match(name)} <= allowed


def test_another_source_gives_another_digest() -> None:
    assert code_of("dockyard.archive.scan") != code_of("dockyard.disk.gpt")
    assert code_of("dockyard.archive.scan") == code_of("dockyard.archive.scan")
    both = code_of("dockyard.archive.scan", "dockyard.disk.gpt")
    assert both != code_of("dockyard.archive.scan")
