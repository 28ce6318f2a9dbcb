"""What is taken out of an image to be signed is told at once where it cannot be put back."""

from __future__ import annotations

import pytest

from dockyard.config import parse_image
from dockyard.disk.layout import lay_out
from dockyard.pipeline.sealing import sealing_problems

IMAGE = """\
storage:
  bootType: efi
  disks:
    - partitions:
        - {id: esp, type: esp, size: 64M}
        - {id: boot, type: xbootldr, size: 512M}
        - {id: root, type: root, size: 1G}
        - {id: hashes, type: root-verity, size: 64M}
  verity:
    - id: verity
      name: root
      dataDeviceId: root
      hashDeviceId: hashes
      hashSignaturePath: /boot/root.sig
  filesystems:
    - {deviceId: esp, type: vfat, mountPoint: /boot/efi}
    - {deviceId: boot, type: ext4, mountPoint: /boot}
    - {deviceId: verity, type: ext4, mountPoint: {path: /, options: ro}}
os: {bootloader: {resetType: hard-reset}}
output: {artifacts: {items: [verity-hash], path: ./out}}
"""
ON_ESP = ("/boot/root.sig", "/boot/efi/root.sig")


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs"])
@pytest.mark.parametrize("changed", [("x", "x"), ON_ESP])
def test_a_signature_on_what_cannot_be_edited(kind: str, changed: tuple[str, str]) -> None:
    text = IMAGE.replace("boot, type: ext4", f"boot, type: {kind}").replace(*changed)
    loaded = parse_image(text)
    layout = lay_out(loaded.image.storage, b"seed", positions=loaded.positions)
    found = list(sealing_problems(loaded, layout))
    if kind == "ext4" or changed is ON_ESP:
        assert found == []
        return
    (problem,) = found
    assert problem.code == "artifacts.not-put-back" and f"/boot is {kind}" in problem.what
    assert ":20:" in str(problem.where)
