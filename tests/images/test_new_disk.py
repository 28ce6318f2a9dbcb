"""The tree of an image that exists goes to a disk that is laid out anew, and back."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import EXAMPLES, run_dockyard

from features import covers

MINIMAL = EXAMPLES / "minimal/image.yaml"
CONFIG = """\
storage:
  bootType: efi
  disks:
    - maxSize: 3G
      partitions:
        - {id: esp, type: esp, size: 96M}
        - {id: root, type: root, label: root, size: 1G}
        - {id: swap, type: swap, size: 64M}
        - {id: home, type: home, size: grow}
  filesystems:
    - {deviceId: esp, type: fat32, mountPoint: {path: /boot/efi, options: umask=0077}}
    - {deviceId: root, type: ROOT}
    - {deviceId: home, type: HOME, mountPoint: /home}
os:
  bootloader: {resetType: hard-reset}
  kernelCommandLine: {extraCommandLine: [console=ttyS0]}
  uki: {mode: create}
previewFeatures: [uki, btrfs]
"""
PLAIN = "mountPoint: /"
SUBVOLUMES = "btrfs: {subvolumes: [{path: r, mountPoint: /}, {path: v, mountPoint: /var}]}"
# What a customization notes of itself.
RECORD = {
    "/etc/image-customizer-release",
    "/usr/share/image-customizer",
    "/usr/share/image-customizer/history.json",
}
# What is about the disk, and what boots from it.
ABOUT_THE_DISK = ("/etc/fstab", "/usr/lib/repart.d", "/boot/efi/EFI/Linux/")


def customize(folder: Path, name: str, root: str, home: str, image: Path) -> Path:
    config, out = folder / f"{name}.yaml", folder / f"{name}.raw"
    config.write_text(CONFIG.replace("ROOT", root).replace("HOME", home))
    given = ("--config-file", config, "--image-file", image, "--output-image-file", out)
    run_dockyard("customize", *given, "--progress", "quiet")
    return out


def changed_files(one: Path, two: Path) -> set[str]:
    found = run_dockyard("diff", one, two, "--json", check=False).json["files"]
    paths = {each["path"] for kind in ("added", "removed", "changed") for each in found[kind]}
    return {path for path in paths if not path.startswith(ABOUT_THE_DISK)}


@covers("storage.disks", "storage.filesystems, swap")
@pytest.mark.build
def test_from_ext4_to_xfs_and_btrfs_and_back(published: Path, tmp_path: Path) -> None:
    first = tmp_path / "first.raw"
    run_dockyard("build", MINIMAL, "--output-image-file", first, "--progress", "quiet")
    xfs = customize(tmp_path, "xfs", f"xfs, {PLAIN}", "ext4", first)
    btrfs = customize(tmp_path, "btrfs", f"btrfs, {SUBVOLUMES}", "xfs", xfs)
    ext4 = customize(tmp_path, "ext4", f"ext4, {PLAIN}", "btrfs", btrfs)
    for image, kinds in (
        (xfs, ["vfat", "xfs", "swap", "ext4"]),
        (btrfs, ["vfat", "btrfs", "swap", "xfs"]),
        (ext4, ["vfat", "ext4", "swap", "btrfs"]),
    ):
        told = run_dockyard("inspect", image, "--json").json
        systems = {each["guid"]: each["fileSystem"] for each in told["partitions"]}
        assert [each["type"] for each in systems.values()] == kinds
        root = next(guid for guid, each in systems.items() if each["mountPoint"] == "/")
        assert f"root=PARTUUID={root} rw" in str(told["boot"]["entries"])
        assert ("subvol=r" in str(told["boot"]["entries"])) == (image == btrfs)
        assert changed_files(first, image) <= RECORD
    again = customize(tmp_path, "again", f"ext4, {PLAIN}", "btrfs", btrfs)
    assert again.read_bytes() == ext4.read_bytes()


@covers("storage.resetPartitionsUuidsType")
@pytest.mark.build
def test_all_ids_are_others_and_nothing_else_is(published: Path, tmp_path: Path) -> None:
    first, config, out = (tmp_path / name for name in ("first.raw", "config.yaml", "out.raw"))
    run_dockyard("build", MINIMAL, "--output-image-file", first, "--progress", "quiet")
    config.write_text(
        "storage: {resetPartitionsUuidsType: reset-all}\n"
        "os:\n  bootloader: {resetType: hard-reset}\n"
        "  kernelCommandLine: {extraCommandLine: [console=ttyS0]}\n"
    )
    given = ("--config-file", config, "--image-file", first, "--output-image-file", out)
    run_dockyard("customize", *given, "--progress", "quiet")
    before, after = (run_dockyard("inspect", each, "--json").json for each in (first, out))
    assert before["partitionTable"] != after["partitionTable"]
    for old, new in zip(before["partitions"], after["partitions"], strict=True):
        assert old.pop("guid") != (guid := new.pop("guid"))
        if old["fileSystem"]["mountPoint"] == "/":
            assert f"root=PARTUUID={guid}" in str(after["boot"]["entries"])
        assert old["fileSystem"].pop("uuid") != new["fileSystem"].pop("uuid")
        assert old["fileSystem"].pop("dataSize") and new["fileSystem"].pop("dataSize")
        for each in (old, new):
            each["fileSystem"].pop("files")
        assert old == new
    assert changed_files(first, out) == RECORD


@pytest.mark.build
def test_a_disk_that_is_too_small_is_told_before_any_work(published: Path, tmp_path: Path) -> None:
    first, config = tmp_path / "first.raw", tmp_path / "config.yaml"
    run_dockyard("build", MINIMAL, "--output-image-file", first, "--progress", "quiet")
    text = CONFIG.replace("ROOT", f"ext4, {PLAIN}").replace("HOME", "ext4")
    config.write_text(text.replace("size: 1G", "size: 64M"))
    given = ("--config-file", config, "--image-file", first, "--output-image-file", "/out.raw")
    said = run_dockyard("customize", *given, check=False)
    assert said.status == 1 and "disk.tree-does-not-fit" in said.stderr
    assert "64M" in said.stderr and "Take the root" not in said.stdout
