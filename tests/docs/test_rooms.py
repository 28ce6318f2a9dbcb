"""The modules of the house: none in a circle with others, none too long to be read at once."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from graphlib import CycleError, TopologicalSorter
from importlib.metadata import packages_distributions

import pytest
from snippets import ROOT

sys.path.append(str(ROOT / "scripts"))
from draw_architecture import module_imports

# Lines, of any module; most have less than 300.
LONGEST = 500
# Bytes, of any file under version control: locks are the largest. What is larger was built.
LARGEST = 1 << 20


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


def test_every_dependency_is_used() -> None:
    """What a user installs is imported by Dockyard; what a developer does, by tests or `make`."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    programs = {"import-linter", "mypy", "ruff", "types-PyYAML"}
    extras = set(project["optional-dependencies"]["dev"])
    used = imported_distributions("src")
    assert {bare(each) for each in project["dependencies"]} == used
    assert {bare(each) for each in extras} - {bare(each) for each in programs} == (
        imported_distributions("tests") - used
    )


def bare(requirement: str) -> str:
    """The name of a distribution as it is compared (PEP 503)."""
    name = re.split(r"[^\w.-]", requirement)[0]
    return re.sub(r"[-_.]+", "-", name).lower()


def imported_distributions(directory: str) -> set[str]:
    known = packages_distributions()
    names: set[str] = set()
    for path in (ROOT / directory).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names |= {each.name.partition(".")[0] for each in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                names.add(node.module.partition(".")[0])
    return {bare(each) for name in names for each in known.get(name, ()) if each != "dockyard"}


def test_nothing_that_was_built_is_under_version_control() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("this is no checkout of git's")
    paths = [ROOT / os.fsdecode(name) for name in listed.stdout.split(b"\0") if name]
    assert len(paths) > 500
    assert [path for path in paths if path.is_file() and path.stat().st_size > LARGEST] == []
