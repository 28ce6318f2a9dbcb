"""Fixtures that every room's tests share: the namespace and the tools tree."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dockyard.engine.store import default_root
from dockyard.host import namespace as host_namespace
from dockyard.host.sandbox import Tools
from dockyard.packages.tools import ToolTrees, tools_tree


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
    """The trees of the shipped lock; fetched and unpacked by the first test run that needs them."""
    return tools_tree(default_root())
