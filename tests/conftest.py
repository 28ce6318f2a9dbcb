"""Fixtures that every room's tests share: the namespace and the tools tree."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from dockyard.engine.store import default_root
from dockyard.errors import DockyardError
from dockyard.host import namespace as host_namespace
from dockyard.host.files import make_root
from dockyard.host.sandbox import Tools
from dockyard.packages.origins import Origins
from dockyard.tools.locking import refresh_tools
from dockyard.tools.trees import load_tools_lock, tools_tree
from dockyard.tools.unpacked import ToolTrees
from oracle_tools import oracle_tools

ROOT = Path(__file__).parents[1]

# How long an example takes says how busy the machine is, not whether the code is right.
settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Quick tests first, then builds, then boots; last those that move this process into the
    namespace, which it cannot leave again: what starts programs as a user does comes before.
    """
    items.sort(key=_rank)


def _rank(item: pytest.Item) -> tuple[bool, bool, bool]:
    inside = "namespace" in getattr(item, "fixturenames", ())
    boots, builds = (item.get_closest_marker(name) is not None for name in ("boot", "build"))
    return inside, boots, builds


def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Where processes share the tests (DOCKYARD_TEST_SHARE names a directory of theirs), run those
    that no other has taken: pytest's own loop in all else.
    """
    share = os.environ.get("DOCKYARD_TEST_SHARE")
    if share is None or session.testsfailed or session.config.option.collectonly:
        return None
    mine = _taken_by_us(Path(share), session.items)
    item = next(mine, None)
    while item is not None:
        following = next(mine, None)
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.shouldfail:
            raise session.Failed(session.shouldfail)
        if session.shouldstop:
            raise session.Interrupted(session.shouldstop)
        item = following
    return True


def _taken_by_us(share: Path, items: Iterable[pytest.Item]) -> Iterator[pytest.Item]:
    ours = set()
    for item in items:
        unit = hashlib.sha256(_unit(item).encode()).hexdigest()
        if unit not in ours:
            try:
                (share / unit).mkdir()
            except FileExistsError:
                continue
            ours.add(unit)
        yield item


def _unit(item: pytest.Item) -> str:
    """What one process runs whole: a test, or those of a file and rank that have a fixture in
    common, so that it is built once.
    """
    info = getattr(item, "_fixtureinfo", None)
    fixtures = info.name2fixturedefs.values() if info is not None else ()
    if any(found.scope in ("module", "class") for all_found in fixtures for found in all_found):
        return f"{item.path} {_rank(item)}"
    return item.nodeid


@pytest.fixture(scope="session")
def namespace(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Move the test process into the user namespace in which all work on trees is done."""
    tmp_path_factory.getbasetemp()  # named after the user, who has no name inside
    for thread in threading.enumerate():
        if thread is not threading.main_thread():
            thread.join(10)  # of a server of a test before, about to end
    host_namespace.enter()


@pytest.fixture(autouse=True)
def stays_outside(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test that did not ask for the namespace must not move all that come after it there."""
    before = host_namespace.entered()
    yield
    assert "namespace" in request.fixturenames or host_namespace.entered() == before


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


@pytest.fixture(scope="session")
def oracles(namespace: None, tmp_path_factory: pytest.TempPathFactory) -> Tools:
    """skopeo, umoci and systemd-dissect, which judge what we write: fetched once a run, or in
    DOCKYARD_TEST_ORACLES.
    """
    override = os.environ.get("DOCKYARD_TEST_ORACLES")
    place = Path(override) if override else tmp_path_factory.mktemp("oracles")
    return oracle_tools(place, "skopeo", "umoci", "systemd-container")


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


_SHELL_TREE = """
cd "$0"
mkdir -p usr/bin usr/lib/x86_64-linux-gnu usr/lib64 dev proc sys run tmp etc
for name in bin lib lib64; do ln -s usr/$name $name; done
cp -a /usr/bin/dash usr/bin/sh
cp /usr/bin/{cat,chroot,head,id,mkdir,mknod,mount,sleep,touch,unshare} usr/bin ||
    cp /usr/sbin/chroot usr/bin
cp -a /usr/lib/x86_64-linux-gnu/{libc.so,ld-linux,libselinux,libpcre2-8,libmount,libblkid}* \\
    usr/lib/x86_64-linux-gnu
cp -a /usr/lib64/. usr/lib64
"""


@pytest.fixture
def shell_tree(tools: Tools, tmp_path: Path) -> Path:
    """A small tree of an image's own, with a shell and what an attack needs."""
    root = tmp_path / "tree"
    make_root(root)
    tools.run(["bash", "-euc", _SHELL_TREE, str(root)], write=[root])
    return root


def user_inside() -> int | None:
    """As whom to start a Dockyard from a process that is in the namespace itself: as its root."""
    return 0 if host_namespace.entered() else None


@pytest.fixture(scope="session")
def published() -> Path:
    """The store, with the tools unpacked and Harbor's repository published in it."""
    store = default_root()
    code = "from dockyard.cli.main import main; main()"
    harbor = str(ROOT / "distros/harbor")
    for words in (["tools", "fetch"], ["distro", "build", harbor]):
        command = [sys.executable, "-c", code, *words, "--progress", "quiet"]
        subprocess.run(command, check=True, user=user_inside())
    return store
