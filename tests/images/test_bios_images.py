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
ESP_SYSTEM = (
    "    - {deviceId: esp, type: vfat, mountPoint: {path: /boot/efi, options: umask=0077}}\n"
)
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


HYBRID = (
    DISK.replace("legacy", "hybrid")
    .replace(
        "        - {id: root,",
        "        - {id: esp, type: esp, label: esp, size: 64M}\n        - {id: root,",
    )
    .replace("  filesystems:\n", f"  filesystems:\n{ESP_SYSTEM}")
)


def by_both(kind: str = "ext4", programs: str = "e2fsprogs") -> str:
    """The file of an image that a BIOS starts, and UEFI firmware."""
    text = OTHERS % f"{programs}, grub2-efi-x64" + HYBRID % kind
    return text.replace("hard-reset}", "hard-reset, type: grub}")


@covers("storage.bootType, hybrid", loader="GRUB", way=Way.HYBRID)
@pytest.mark.boot
@pytest.mark.long
@pytest.mark.parametrize(
    ("kind", "programs"),
    [("ext4", "e2fsprogs"), ("xfs", "xfsprogs"), ("btrfs", "btrfs-progs")],
)
def test_both_firmwares_boot_one_disk(
    kind: str, programs: str, published: Path, tmp_path: Path
) -> None:
    image, out = built(tmp_path, by_both(kind, programs))
    require_menu(out)
    for words, firmware in (((), "UEFI"), (("--bios",), "BIOS")):
        asked = "test -e /sys/firmware/efi && echo UEFI || echo BIOS"
        image.write_text(
            by_both(kind, programs)
            + f"checks: [{{name: firmware, command: '{asked}', output: {firmware}}}]\n"
        )
        given = ("--config-file", image, "--check", "--json", *words)
        verdict = run_dockyard("boot", out, *given, check=False).json
        assert [check for check in verdict["checks"] if not check["passed"]] == []
        assert (verdict["systemState"], verdict["failedUnits"]) == ("running", [])
        assert "kernel.grub" in {check["id"] for check in verdict["checks"]}


@covers("storage.bootType, hybrid", loader="GRUB", way=Way.HYBRID)
@pytest.mark.build
def test_a_disk_for_both_firmwares_has_one_menu_and_is_the_same_twice(
    published: Path, tmp_path: Path
) -> None:
    image, out = built(tmp_path, by_both())
    run_dockyard("build", image, "--output-image-file", out, "--verify", "--progress", "quiet")
    require_menu(out)
    boot = run_dockyard("inspect", out, "--json").json["boot"]
    assert boot["loaders"] == ["grub", "shim", "grub for BIOS"]
    # What it is made of goes in again: the one menu is changed.
    config, new = tmp_path / "config.yaml", tmp_path / "new.raw"
    config.write_text("os: {kernelCommandLine: {extraCommandLine: [a.b=1]}}\n")
    words = ("--config-file", config, "--image-file", out, "--output-image-file", new)
    run_dockyard("customize", *words, "--progress", "quiet")
    (entry,) = run_dockyard("inspect", new, "--json").json["boot"]["entries"]
    assert entry["kind"] == "grub" and entry["commandLine"].endswith(" a.b=1")
    assert out.read_bytes()[:512] == new.read_bytes()[:512]


@pytest.mark.build
def test_a_disk_for_both_firmwares_is_by_grub_and_of_packages(
    published: Path, tmp_path: Path
) -> None:
    image, out = tmp_path / "image.yaml", tmp_path / "out.raw"
    image.write_text(by_both().replace(", type: grub", ""))
    said = run_dockyard("build", image, "--output-image-file", out, check=False).stderr
    assert "build.hybrid-by-grub" in said
    image.write_text(
        by_both().replace("        - {id: esp, type: esp, label: esp, size: 64M}\n", "")
    )
    said = run_dockyard("build", image, "--output-image-file", out, check=False).stderr
    assert "config.boot-partition" in said and "`bootType: hybrid` needs" in said


@pytest.mark.build
def test_what_no_bios_starts_is_refused(published: Path, tmp_path: Path) -> None:
    image = tmp_path / "image.yaml"
    text = OTHERS % "e2fsprogs" + DISK % "erofs"
    image.write_text(text.replace("  packages", "  uki: {mode: create}\n  packages"))
    said = run_dockyard("build", image, check=False).stderr
    assert "build.not-by-bios" in said and "build.grub-cannot-read" in said
