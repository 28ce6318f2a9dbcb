"""Tools that are data of another architecture: locked and moved by an index of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from debian_archive import SmallArchive, certificates
from dockyard.errors import DockyardError
from dockyard.model.architecture import Architecture
from dockyard.model.packages import Lock
from dockyard.packages.deb import archive as archives
from dockyard.packages.deb.suite import Suite
from dockyard.packages.origins import Origins
from dockyard.tools import locking, trees
from dockyard.tools.declared import DeclaredTree, Purpose
from dockyard.tools.locking import lock_tools, refresh_tools

TREE = DeclaredTree(
    name="main",
    suite=Suite("stable"),
    purposes=(
        Purpose("Own", "", ("shell",)),
        Purpose("Data", "", ("modules",), Architecture.AARCH64),
    ),
    links={},
    drop=(),
)


class Host:
    """A store, and an archive for two architectures that forgets."""

    def __init__(self, place: Path) -> None:
        self.store, self.root = place / "store", place / "archive"
        self.origins = Origins((self.root.as_uri(),))

    def publish(self, version: str, *names: str) -> None:
        """Publish these packages and no others: those for aarch64 need a library of theirs."""
        if self.root.exists():
            self.root.rename(self.root.with_name(f"before-{version}"))
        small = SmallArchive(self.root, architectures=("amd64", "arm64"))
        for name in names:
            small.add(name, version)
            small.add(name, version, Architecture="arm64", Depends="library")
        small.add("library", version, Architecture="arm64")
        small.publish()

    def refresh(self, lock: Lock) -> tuple[Lock, list[str]]:
        return refresh_tools(lock, self.store, self.origins)


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    monkeypatch.setattr(archives, "archive_certificates", lambda: tuple(certificates()))
    for module in (locking, trees):
        monkeypatch.setattr(module, "declared_trees", lambda *_: (TREE,))
    return Host(tmp_path)


def locked(lock: Lock) -> list[tuple[str, str, str]]:
    return [(pin.name, pin.evr, pin.arch) for pin in lock.packages]


def test_they_are_locked_alone(host: Host) -> None:
    host.publish("1", "shell", "modules")
    lock = lock_tools(host.store, host.origins)
    assert locked(lock) == [("modules", "1", "arm64"), ("shell", "1", "amd64")]
    assert [each.id for each in lock.repositories] == ["debian:stable:main"]
    assert host.refresh(lock) == (lock, [])


def test_they_move_when_they_are_gone(host: Host) -> None:
    host.publish("1", "shell", "modules")
    lock = lock_tools(host.store, host.origins)
    host.publish("2", "shell", "modules")
    moved, words = host.refresh(lock)
    assert locked(moved) == [("modules", "2", "arm64"), ("shell", "2", "amd64")]
    assert words == ["shell 1 -> 2", "modules 1 -> 2"]


def test_those_that_nobody_has_are_named(host: Host) -> None:
    host.publish("1", "shell")
    with pytest.raises(DockyardError) as caught:
        lock_tools(host.store, host.origins)
    [problem] = caught.value.problems
    assert (problem.code, problem.where) == ("debian.no-package", "tools.yaml, tree main: Data")
