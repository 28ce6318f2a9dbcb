"""An image for another processor: built here, its programs run by an emulator, and booted."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from _pytest.mark.structures import ParameterSet
from command_line import EXAMPLES, ROOT, run_dockyard
from test_live_images import BY_ADDRESS, QUIET, build, image_file, serving

from dockyard.config import load_image
from dockyard.engine.store import Store
from dockyard.errors import DockyardError
from dockyard.model.architecture import Architecture
from dockyard.packages import lockfile
from dockyard.packages.origins import Origins
from dockyard.pipeline.build import plan_image
from features import Way, covers

IMAGE = EXAMPLES / "server-aarch64/image.yaml"
_CHANGES = """\
scripts:
  postCustomization:
    - content: printf '\\nmade on %s\\n' "$(uname -m)" >/etc/machine-kind
"""


def build_distribution() -> None:
    harbor = ROOT / "distros/harbor"
    run_dockyard("distro", "build", harbor, "--architecture", "aarch64", *QUIET)


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
    build_distribution()
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


@covers(loader="GRUB", architecture=Architecture.AARCH64)
@pytest.mark.boot
@pytest.mark.long
def test_a_disk_boots_with_grub(published: Path, tmp_path: Path) -> None:
    build_distribution()
    text = (EXAMPLES / "grub/image.yaml").read_text()
    changes = {
        "../../distros": str(ROOT / "distros"),
        "grub2-efi-x64": "grub2-efi-aa64",
        "console=ttyS0": "console=ttyAMA0",
    }
    for old, new in changes.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    file = tmp_path / "grub.yaml"
    file.write_text(text + "architecture: aarch64\n")
    run_dockyard("lock", file, *QUIET)
    out = tmp_path / "grub.img"
    run_dockyard("build", file, "--output-image-file", out, "--verify", *QUIET)
    assert run_dockyard("inspect", out, "--json").json["boot"]["loaders"] == ["grub", "shim"]
    verdict = run_dockyard("boot", file, "--check", "--json", "--timeout", "1200").json
    assert [check for check in verdict["checks"] if not check["passed"]] == []
    assert "kernel.grub" in {check["id"] for check in verdict["checks"]}


def live(way: Way, format: str) -> pytest.MarkDecorator:
    return covers(
        "iso" if format == "iso" else "pxe",
        file_system="squashfs",
        loader="GRUB",
        way=way,
        format=format,
        architecture=Architecture.AARCH64,
    )


@pytest.fixture
def minimal(published: Path, tmp_path: Path) -> Path:
    """The smallest image, for aarch64, with its lock."""
    build_distribution()
    file = image_file(tmp_path, "architecture: aarch64\n")
    file.write_text(file.read_text().replace("console=ttyS0", "console=ttyAMA0"))
    run_dockyard("lock", file, *QUIET)
    return file


def medium(way: Way, *words: str) -> ParameterSet:
    return pytest.param(words, id=way.value, marks=live(way, "iso"))


@pytest.mark.boot
@pytest.mark.long
@pytest.mark.parametrize(
    "how", [medium(Way.CD_BY_UEFI), medium(Way.STICK_BY_UEFI, "--bus", "virtio")]
)
def test_a_medium_boots(minimal: Path, tmp_path: Path, how: tuple[str, ...]) -> None:
    minimal.write_text(minimal.read_text() + "output: {image: {format: iso}}\n")
    out = build(minimal, "iso", tmp_path / "web.iso")
    assert run_dockyard("inspect", out, "--json").json["architecture"] == "aarch64"
    told = run_dockyard("boot", minimal, "--check", "--json", "--timeout", "1200", *how).json
    assert [check for check in told["checks"] if not check["passed"]] == []
    assert {"live.root", "live.fstab", "kernel.command-line"} <= {
        each["id"] for each in told["checks"]
    }


@live(Way.TFTP_BY_UEFI, "pxe-dir")
@pytest.mark.boot
@pytest.mark.long
def test_the_whole_system_boots_over_the_network(minimal: Path, tmp_path: Path) -> None:
    served = build(minimal, "pxe-dir", tmp_path / "served")
    assert run_dockyard("boot", served, "--check", "--json", "--timeout", "1200").json["passed"]


@live(Way.HTTP_BY_UEFI, "pxe-dir")
@pytest.mark.boot
@pytest.mark.long
def test_firmware_boots_by_http(minimal: Path, tmp_path: Path) -> None:
    served = build(minimal, "pxe-dir", tmp_path / "served")
    with serving(served) as (port, asked):
        url = f"http://10.0.2.2:{port}/bootaa64.efi"
        subprocess.run([sys.executable, "-c", BY_ADDRESS, tmp_path, url, "aarch64"], check=True)
    assert {"/bootaa64.efi", "/boot/grub/grub.cfg", "/vmlinuz", "/initrd.img"} <= set(asked)
