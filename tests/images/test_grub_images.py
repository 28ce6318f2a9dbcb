"""Images that boot with GRUB: /boot on a partition of its own or in the root, on every file system
that GRUB reads.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import EXAMPLES, ROOT, run_dockyard

from features import covers

_BOOT_PARTITION = """\
        - id: boot
          type: xbootldr
          label: boot
          size: 256M
"""
_BOOT = """\
    - deviceId: boot
      type: ext4
      mountPoint:
        path: /boot
        idType: uuid
"""
PROGRAMS = {"ext4": "e2fsprogs", "xfs": "xfsprogs", "btrfs": "btrfs-progs"}


def variant(place: Path, *, boot: str | None, root: str) -> Path:
    """The example, with other file systems. boot: None for a /boot in the root."""
    name = f"grub-{boot or 'none'}-{root}"
    changes = {
        "../../distros": str(ROOT / "distros"),
        "\nname: grub\n": f"\nname: {name}\n",
        "    - deviceId: root\n      type: ext4\n": f"    - deviceId: root\n      type: {root}\n",
        "      - e2fsprogs\n": "".join(
            f"      - {PROGRAMS[kind]}\n" for kind in sorted({root, boot or root})
        ),
        # Which entry there is, the check of the boot loader says.
        "^linux /vmlinuz": "^linux /vmlinuz" if boot else "^linux /boot/vmlinuz",
        "          size: 256M\n": "          size: 320M\n",
    }
    text = (EXAMPLES / "grub/image.yaml").read_text()
    for old, new in changes.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    if boot is None:
        partition = _BOOT_PARTITION.replace("256M", "320M")
        assert partition in text and _BOOT in text
        text = text.replace(partition, "").replace(_BOOT, "")
    else:
        text = text.replace(_BOOT, _BOOT.replace("ext4", boot))
    image = place / f"{name}.yaml"
    image.write_text(text)
    run_dockyard("lock", image, "--progress", "quiet")
    return image


def build(image: Path) -> Path:
    out = image.with_suffix(".img")
    run_dockyard("build", image, "--output-image-file", out, "--verify", "--progress", "quiet")
    return out


@pytest.mark.build
def test_an_image_is_inspected_as_one_of_the_rpm_world(published: Path, tmp_path: Path) -> None:
    out = build(variant(tmp_path, boot="ext4", root="ext4"))
    boot = run_dockyard("inspect", out, "--json").json["boot"]
    assert boot["loaders"] == ["grub", "shim"]
    (entry,) = boot["entries"]
    assert (entry["kind"], entry["kernel"]) == ("bls", boot["kernels"][0])
    assert entry["path"] == f"/boot/loader/entries/harbor-{boot['kernels'][0]}.conf"
    assert entry["commandLine"].startswith("root=UUID=")


@covers(loader="GRUB", file_system="{root}")
@pytest.mark.boot
@pytest.mark.parametrize(
    ("boot", "root"),
    [
        ("xfs", "xfs"),
        pytest.param("btrfs", "ext4", marks=pytest.mark.long),
        pytest.param(None, "xfs", marks=pytest.mark.long),
        pytest.param(None, "btrfs", marks=pytest.mark.long),
    ],
)
def test_grub_reads_each_file_system(
    boot: str | None, root: str, published: Path, tmp_path: Path
) -> None:
    image = variant(tmp_path, boot=boot, root=root)
    build(image)
    verdict = run_dockyard("boot", image, "--check", "--json", check=False).json
    assert [check for check in verdict["checks"] if not check["passed"]] == []
    assert (verdict["systemState"], verdict["failedUnits"]) == ("running", [])
