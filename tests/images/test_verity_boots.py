"""Roots and /usr on dm-verity boot, and a bit that was flipped does what the image file chose."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from command_line import ROOT, run_dockyard

from features import covers

# Too large to lie beside an inode, and nothing that can be compressed.
CONTENT = random.Random(1).randbytes(200_000)
PAYLOAD = "/usr/lib/payload"

# name of the device, its file system, hash tree in a partition of its own, corruption
LAYOUTS = {
    "root": ("root", "ext4", True, "panic"),
    "usr": ("usr", "erofs", True, "io-error"),
    "root-inline": ("root", "erofs", False, "restart"),
    "usr-inline": ("usr", "ext4", False, "ignore"),
}


def image_file(place: Path, layout: str) -> Path:
    """An image file with a verity device, and its lock."""
    name, kind, apart, corruption = LAYOUTS[layout]
    hashes = f"{name}hash" if apart else name
    others = {"root": ("var", "/var"), "usr": ("root", "/")}
    other, mount = others[name]
    tree = f"        - {{id: {hashes}, type: {name}-verity, label: {hashes}, size: 8M}}\n"
    packages = "harbor-core, kernel, e2fsprogs, systemd-cryptsetup, cryptsetup-bin, dmsetup"
    (place / "payload").write_bytes(CONTENT)
    image = place / f"{layout}.yaml"
    image.write_text(f"""\
name: {layout}
distro: {ROOT}/distros/harbor/distro.yaml
storage:
  bootType: efi
  disks:
    - partitions:
        - {{id: esp, type: esp, label: esp, size: 96M}}
        - {{id: {name}, type: {name}, label: {name}, size: 701M}}
{tree if apart else ""}        - {{id: {other}, type: {other}, label: {other}, size: 250M}}
  verity:
    - id: {name}verity
      name: {name}
      dataDeviceId: {name}
      hashDeviceId: {hashes}
      corruptionOption: {corruption}
      hashDeviceMountIdType: {"uuid" if apart else "part-label"}
  filesystems:
    - {{deviceId: esp, type: vfat, mountPoint: {{path: /boot/efi, options: umask=0077}}}}
    - deviceId: {name}verity
      type: {kind}
      mountPoint: {{path: {"/" if name == "root" else "/usr"}, options: ro}}
    - {{deviceId: {other}, type: ext4, mountPoint: {mount}}}
os:
  bootloader: {{resetType: hard-reset}}
  hostname: {layout}
  uki: {{mode: create}}
  kernelCommandLine: {{extraCommandLine: [console=ttyS0]}}
  packages: {{install: [{packages}]}}
  additionalFiles:
    - {{source: payload, destination: {PAYLOAD}}}
checks:
  - name: veritysetup finds the data as they were
    command: veritysetup status {name} | grep -Ex ' *status:.*verified'
  - name: nothing can be written
    command: "! touch /usr/x 2>/dev/null"
  - name: every block is as it was
    command: cat /dev/mapper/{name} > /dev/null
    timeout: 200
""")
    run_dockyard("lock", image, "--progress", "quiet")
    return image


def built(place: Path, layout: str) -> tuple[Path, Path]:
    """The image file, and the raw image."""
    image = image_file(place, layout)
    out = image.with_suffix(".img")
    run_dockyard("build", image, "--output-image-file", out, "--progress", "quiet")
    return image, out


@pytest.mark.boot
@pytest.mark.parametrize(
    "layout",
    [
        "usr-inline",
        pytest.param("root", marks=(pytest.mark.long, covers())),
        pytest.param("usr", marks=pytest.mark.long),
        pytest.param("root-inline", marks=(pytest.mark.long, covers(file_system="erofs"))),
    ],
)
def test_a_system_boots_from_data_that_are_checked(
    layout: str, published: Path, tmp_path: Path
) -> None:
    image, _ = built(tmp_path, layout)
    verdict = run_dockyard("boot", image, "--check", "--json", check=False).json
    assert [check for check in verdict["checks"] if not check["passed"]] == []
    assert (verdict["systemState"], verdict["failedUnits"]) == ("running", [])
    asked = {check["id"] for check in verdict["checks"]}
    assert f"verity.{LAYOUTS[layout][0]}" in asked


# What the kernel, or systemd for it, prints as it reads a block that is not as it was.
PRINTED = {
    "panic": b"Kernel panic - not syncing: dm-verity device corrupted",
    "restart": b"reboot: Restarting system with command 'dm-verity device corrupted'",
    "io-error": b"is corrupted",
    "ignore": b"is corrupted",
}


@pytest.mark.boot
@pytest.mark.parametrize(
    "layout", ["root", *(pytest.param(x, marks=pytest.mark.long) for x in
                         ("usr", "root-inline", "usr-inline"))]
)  # fmt: skip
def test_a_flipped_bit_does_what_was_chosen(layout: str, published: Path, tmp_path: Path) -> None:
    name, _, _, corruption = LAYOUTS[layout]
    image, out = built(tmp_path, layout)
    with out.open("r+b") as disk:
        content = disk.read()
        at = content.index(CONTENT[100_000:100_100])
        disk.seek(at)
        disk.write(bytes([content[at] ^ 1]))
    read = f"cat {PAYLOAD} >/dev/null && echo it is read"
    text = image.read_text().partition("checks:")[0]
    image.write_text(f"{text}checks:\n  - {{name: read, command: {read!r}}}\n")
    log = tmp_path / "log"
    words = ("boot", out, "--config-file", image, "--check", "--log", log, "--json")
    ran = run_dockyard(*words, "--timeout", "200", check=False)
    assert PRINTED[corruption] in log.read_bytes()
    assert ran.status != 0
    if corruption not in ("io-error", "ignore"):
        return
    found = {check["id"]: check for check in ran.json["checks"]}
    assert not found[f"verity.{name}"]["passed"]
    assert "verity C" in json.dumps(found[f"verity.{name}"])
    (own,) = [check for check in found.values() if check["title"] == "read"]
    assert own["passed"] is (corruption == "ignore")
