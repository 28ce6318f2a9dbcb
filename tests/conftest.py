"""Fixtures that every room's tests share: the namespace and the tools tree."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from dockyard.engine.store import default_root
from dockyard.errors import DockyardError
from dockyard.host import namespace as host_namespace
from dockyard.host.sandbox import Tools
from dockyard.packages.deb.sources import Origins
from dockyard.packages.tools import ToolTrees, load_tools_lock, tools_tree
from dockyard.packages.tools_lock import refresh_tools

ROOT = Path(__file__).parents[1]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Quick tests first, then builds, then boots; last those that move this process into the
    namespace, which it cannot leave again: what starts programs as a user does comes before.
    """

    def rank(item: pytest.Item) -> tuple[bool, bool, bool]:
        inside = "namespace" in getattr(item, "fixturenames", ())
        boots, builds = (item.get_closest_marker(name) is not None for name in ("boot", "build"))
        return inside, boots, builds

    items.sort(key=rank)


@pytest.fixture(scope="session")
def namespace() -> None:
    """Move the test process into the user namespace in which all work on trees is done."""
    host_namespace.enter()


@pytest.fixture(scope="session")
def tools(namespace: None) -> Tools:
    """The tools tree: DOCKYARD_TEST_TOOLS, or the one of the shipped lock, in the store."""
    override = os.environ.get("DOCKYARD_TEST_TOOLS")
    return Tools(Path(override)) if override else _shipped_trees().main


@pytest.fixture(scope="session")
def testing_tools(namespace: None) -> Tools:
    """The tree of newer tools (xfs, btrfs): DOCKYARD_TEST_XFSTOOLS, or the one of the shipped
    lock.
    """
    override = os.environ.get("DOCKYARD_TEST_XFSTOOLS")
    return Tools(Path(override)) if override else _shipped_trees().testing


def _shipped_trees() -> ToolTrees:
    """The trees of the shipped lock; fetched and unpacked by the first test run that needs them.

    Archives forget. When some of the pinned packages are nowhere to be had any more, those move to
    what the archive has now, and the run says so.
    """
    store = default_root()
    try:
        return tools_tree(store)
    except DockyardError as error:
        if not any(problem.code == "fetch.gone" for problem in error.problems):
            raise
    lock, moved = refresh_tools(load_tools_lock(), store, Origins.of_host(os.environ))
    warnings.warn(f"tools that are gone were moved: {', '.join(moved)}", stacklevel=2)
    return tools_tree(store, lock)


@pytest.fixture(scope="session")
def published() -> Path:
    """The store, with Harbor's repository published in it."""
    store = default_root()
    code = "from dockyard.cli.main import main; main()"
    words = ["distro", "build", str(ROOT / "distros/harbor"), "--progress", "quiet"]
    subprocess.run([sys.executable, "-c", code, *words], check=True)
    return store
