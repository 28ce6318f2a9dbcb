"""Fixtures that every room's tests share: the namespace and the tools tree."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dockyard.host import namespace as host_namespace
from dockyard.host.sandbox import Tools


@pytest.fixture(scope="session")
def namespace() -> None:
    """Move the test process into the user namespace in which all work on trees is done."""
    host_namespace.enter()


@pytest.fixture(scope="session")
def tools(namespace: None) -> Tools:
    """The tools tree: DOCKYARD_TEST_TOOLS, or the one of the shipped lock, resolved into the
    store.
    """
    override = os.environ.get("DOCKYARD_TEST_TOOLS")
    if override:
        return Tools(Path(override))
    pytest.skip("the tools tree is not built yet: run dockyard tools first")
