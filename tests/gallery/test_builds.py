"""The gallery's failures in the middle of a build, with the packages of the smallest image."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from error_pages import HOME, REPOSITORY, Desk, Shown, show

from dockyard.engine.store import default_root

pytestmark = pytest.mark.build

_MINIMAL = REPOSITORY / "examples/minimal"
_BUILD = "dockyard build web.yaml --progress quiet"


@pytest.fixture(scope="session")
def store() -> Path:
    """The store of this host, with Harbor's repository in it."""
    desk = Desk(REPOSITORY, {"DOCKYARD_STORE": str(default_root())})
    if not (default_root() / "repositories/harbor").is_dir():
        desk.must("dockyard distro build distros/harbor --progress quiet")
    return default_root()


def _start(root: Path, store: Path, old: str = "", new: str = "") -> Desk:
    """The smallest image, changed."""
    text = (_MINIMAL / "image.yaml").read_text().replace("../../distros", "distros")
    assert old in text
    desk = Desk(root, {"DOCKYARD_STORE": str(store)}, {str(root): HOME})
    desk.write("web.yaml", text.replace(old, new) if old else text + new)
    (root / "distros").symlink_to(REPOSITORY / "distros")
    desk.must("dockyard lock web.yaml --progress quiet")
    return desk


def test_disk_too_small(tmp_path: Path, store: Path) -> None:
    snippet = (
        "        - id: root\n          type: root\n          label: root\n          size: 128M\n"
    )
    desk = _start(tmp_path, store, "size: 1G", "size: 128M")
    show(
        desk,
        "disk-too-small",
        "A partition that is too small",
        "The packages do not fit into the root partition.",
        [Shown("web.yaml", snippet)],
        _BUILD,
        code="filesystems.too-small",
        place="web.yaml:14:11",
    )


def test_failing_script(tmp_path: Path, store: Path) -> None:
    snippet = "\nscripts:\n  postCustomization:\n    - path: harden.sh\n"
    desk = _start(tmp_path, store, "", snippet)
    desk.write("harden.sh", "set -eu\necho removing setuid programs\nchmod u-s /usr/bin/sudo\n")
    show(
        desk,
        "failing-script",
        "A script that fails",
        "A script runs inside the image and ends with an error. Its output is shown.",
        [Shown("web.yaml", snippet.lstrip()), Shown("harden.sh", "chmod u-s /usr/bin/sudo\n")],
        _BUILD,
        code="tree.script-failed",
        place="web.yaml:45:7",
    )


def test_script_without_end(tmp_path: Path, store: Path) -> None:
    snippet = "\nscripts:\n  postCustomization:\n    - path: wait.sh\n"
    desk = _start(tmp_path, store, "", snippet)
    desk.write("wait.sh", "true\n")
    desk.must(_BUILD)  # so that nothing but the script runs against the clock
    desk.write("wait.sh", "echo waiting for the network\nuntil false; do sleep 1; done\n")
    desk.environment["DOCKYARD_LIMIT_TIME"] = "10"
    show(
        desk,
        "script-without-end",
        "A script that does not end",
        "A script waits for what never comes. It is stopped after an hour, or after the time that "
        "`DOCKYARD_LIMIT_TIME` says, 10 seconds here.",
        [Shown("web.yaml", snippet.lstrip()), Shown("wait.sh", "until false; do sleep 1; done\n")],
        _BUILD,
        code="host.limit",
        place="web.yaml:45:7",
    )


def test_no_such_unit(tmp_path: Path, store: Path) -> None:
    snippet = "  services:\n    enable:\n      - systemd-netwrokd\n"
    desk = _start(tmp_path, store, "  uki:\n", f"{snippet}  uki:\n")
    show(
        desk,
        "no-such-unit",
        "A service that does not exist",
        "No package of the image brings a unit of this name.",
        [Shown("web.yaml", snippet)],
        _BUILD,
        code="tree.no-unit",
        place="web.yaml:42:9",
    )


def _small_store(tmp_path: Path, store: Path, size: str) -> tuple[Desk, list[str]]:
    """A desk whose store has a size, and what runs Dockyard on it."""
    desk = _start(tmp_path, store)
    small = tmp_path / "small-disk"
    desk.environment["DOCKYARD_STORE"] = str(small)
    program = str(Path(__file__).with_name("no_space.py"))
    return desk, [sys.executable, program, size, str(small), str(store)]


def test_no_space(tmp_path: Path, store: Path) -> None:
    desk, wrapped = _small_store(tmp_path, store, "256M")
    show(
        desk,
        "no-space",
        "No space left",
        "The store is on a file system of 256 MiB, which is full in the middle of the build. What "
        "was finished stays; the same command goes on when there is room.",
        [],
        f"{_BUILD} --jobs 1",
        code="host.no-space",
        wrapped=wrapped,
    )


def test_no_space_for_the_packages(tmp_path: Path, store: Path) -> None:
    desk, wrapped = _small_store(tmp_path, store, "64M")
    done = desk.run(_BUILD, wrapped=wrapped)
    assert done.returncode == 1
    assert "error[host.no-space]" in done.stderr and done.stderr.count("error[") == 1


def test_no_space_for_a_lock(tmp_path: Path, store: Path) -> None:
    desk, wrapped = _small_store(tmp_path, store, "256K")
    done = desk.run("dockyard lock web.yaml", wrapped=wrapped)
    assert done.returncode == 1
    assert "error[host.no-space]" in done.stderr and "Traceback" not in done.stderr
