"""Disks that a BIOS starts: GRUB in a partition of its own, made from packages or of an image that
booted by UEFI.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import ROOT, run_dockyard

from features import Way, covers

DISK = """\
storage:
  bootType: legacy
  disks:
    - partitions:
        - {id: bios, type: bios-grub, size: 1M}
        - {id: root, type: root, label: root, size: 1G}
  filesystems:
    - {deviceId: root, type: %s, mountPoint: /}
"""
OTHERS = f"""\
name: bios
distro: {ROOT}/distros/harbor/distro.yaml
os:
  bootloader: {{resetType: hard-reset}}
  kernelCommandLine: {{extraCommandLine: [console=ttyS0]}}
  packages: {{install: [harbor-core, kernel, %s]}}
"""
BY_UEFI = """\
storage:
  bootType: efi
  disks:
    - partitions:
        - {id: esp, type: esp, label: esp, size: 96M}
        - {id: root, type: root, label: root, size: 1G}
  filesystems:
    - {deviceId: esp, type: vfat, mountPoint: {path: /boot/efi, options: umask=0077}}
    - {deviceId: root, type: ext4, mountPoint: /}
"""
CHANGE = "os: {hostname: changed, bootloader: {resetType: hard-reset}}\n"


def built(place: Path, text: str) -> tuple[Path, Path]:
    """The image file, and the raw image."""
    image, out = place / "image.yaml", place / "image.raw"
    image.write_text(text)
    run_dockyard("lock", image, "--progress", "quiet")
    run_dockyard("build", image, "--output-image-file", out, "--progress", "quiet")
    return image, out


def require_menu(image: Path) -> None:
    """A BIOS finds GRUB, and that a menu with the kernel."""
    boot = run_dockyard("inspect", image, "--json").json["boot"]
    assert "grub for BIOS" in boot["loaders"]
    (entry,) = [each for each in boot["entries"] if each["kind"] == "grub"]
    assert entry["kernel"].rpartition("/")[2] == f"vmlinuz-{boot['kernels'][0]}"
    assert "root=PARTUUID=" in entry["commandLine"]


@covers("storage.bootType, legacy", loader="GRUB", file_system="{kind}", way=Way.BIOS)
@pytest.mark.boot
@pytest.mark.parametrize(
    ("kind", "programs"),
    [
        ("ext4", "e2fsprogs"),
        pytest.param("xfs", "xfsprogs", marks=pytest.mark.long),
        pytest.param("btrfs", "btrfs-progs", marks=pytest.mark.long),
    ],
)
def test_a_bios_boots_it(kind: str, programs: str, published: Path, tmp_path: Path) -> None:
    image, out = built(tmp_path, OTHERS % programs + DISK % kind)
    require_menu(out)
    verdict = run_dockyard("boot", image, "--check", "--json", check=False).json
    assert [check for check in verdict["checks"] if not check["passed"]] == []
    assert (verdict["systemState"], verdict["failedUnits"]) == ("running", [])
    assert {"firmware.bios", "kernel.grub"} <= {check["id"] for check in verdict["checks"]}


@covers("storage.bootType, legacy", "storage.disks", loader="GRUB", way=Way.BIOS)
@pytest.mark.boot
@pytest.mark.long
def test_an_image_of_uefi_is_made_one_for_a_bios(published: Path, tmp_path: Path) -> None:
    _, base = built(tmp_path, OTHERS % "e2fsprogs" + BY_UEFI)
    config, out = tmp_path / "config.yaml", tmp_path / "out.raw"
    config.write_text(DISK % "ext4" + CHANGE)
    words = ("--config-file", config, "--image-file", base)
    run_dockyard("customize", *words, "--output-image-file", out, "--progress", "quiet")
    require_menu(out)
    verdict = run_dockyard("boot", config, *words[2:], "--check", "--json", check=False).json
    assert [check for check in verdict["checks"] if not check["passed"]] == []
    assert verdict["systemState"] == "running"


@pytest.mark.build
def test_what_no_bios_starts_is_refused(published: Path, tmp_path: Path) -> None:
    image = tmp_path / "image.yaml"
    text = OTHERS % "e2fsprogs" + DISK % "erofs"
    image.write_text(text.replace("  packages", "  uki: {mode: create}\n  packages"))
    said = run_dockyard("build", image, check=False).stderr
    assert "build.not-by-bios" in said and "build.grub-cannot-read" in said
