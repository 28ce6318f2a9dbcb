"""An image for another processor: built here, its programs run by an emulator, and booted."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import EXAMPLES, ROOT, run_dockyard

from dockyard.config import load_image
from dockyard.engine.store import Store
from dockyard.errors import DockyardError
from dockyard.model.architecture import Architecture
from dockyard.packages import lockfile
from dockyard.packages.deb.sources import Origins
from dockyard.pipeline.build import plan_image
from features import covers

IMAGE = EXAMPLES / "server-aarch64/image.yaml"
_CHANGES = """\
scripts:
  postCustomization:
    - content: printf '\\nmade on %s\\n' "$(uname -m)" >/etc/machine-kind
"""


def test_its_lock_has_packages_for_it_and_an_emulator() -> None:
    lock = lockfile.load(IMAGE.with_name("image.lock"))
    assert lock.request and lock.request.architecture is Architecture.AARCH64
    assert {pin.arch for pin in lock.packages} == {"aarch64", "noarch"}
    assert {"qemu-user", "qemu-system-arm"} <= {pin.name for pin in lock.tools}


def test_its_repository_is_one_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(DockyardError) as caught:
        plan_image(load_image(IMAGE), Store(tmp_path), Origins())
    [problem] = caught.value.problems
    assert problem.what == "the store has no repository of harbor-aarch64"
    assert problem.fix == "run: dockyard distro build harbor --architecture aarch64"


@covers(architecture=Architecture.AARCH64)
@pytest.mark.boot
@pytest.mark.long
def test_it_is_built_here_and_every_check_passes(published: Path, tmp_path: Path) -> None:
    registered = Path("/proc/sys/fs/binfmt_misc")
    before = set(registered.iterdir())
    harbor = ROOT / "distros/harbor"
    run_dockyard("distro", "build", harbor, "--architecture", "aarch64", "--progress", "quiet")
    out = ROOT / "build/server-aarch64.img"
    run_dockyard("build", IMAGE, "--output-image-file", out, "--progress", "quiet")
    assert set(registered.iterdir()) == before, "the host knows of no emulator"
    again = run_dockyard("build", IMAGE, "--output-image-file", out, "--progress", "json")
    assert again.stdout.startswith("unchanged") and "StepStarted" not in again.stderr
    words = ("boot", IMAGE, "--check", "--json", "--timeout", "600")
    verdict = run_dockyard(*words, check=False).json
    assert [check for check in verdict["checks"] if not check["passed"]] == []
    assert (verdict["failedUnits"], verdict["systemState"]) == ([], "running")
    assert verdict["accelerator"] == "tcg" and len(verdict["checks"]) > 30
    config, changed = tmp_path / "config.yaml", tmp_path / "changed.raw"
    config.write_text(_CHANGES)
    given = ("--config-file", config, "--image-file", out, "--progress", "quiet")
    made = ("--output-image-file", changed, "--output-image-format", "raw")
    run_dockyard("customize", *given, *made)
    assert b"\nmade on aarch64\n" in changed.read_bytes(), "a script runs its programs"
