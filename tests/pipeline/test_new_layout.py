"""A new disk for the tree of an image: what does not fit, is elsewhere or left behind is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from dockyard.config import LoadedImage, load_image
from dockyard.disk.partition_types import ESP
from dockyard.errors import DockyardError
from dockyard.formats.containers import Container
from dockyard.model.architecture import Architecture
from dockyard.model.family import family_named
from dockyard.pipeline.existing_disk import DiskSource, ExistingPartition
from dockyard.pipeline.existing_storage import ExistingStorage
from dockyard.pipeline.new_layout import fstab_over, left_behind, new_layout

MIB = 1 << 20
GUIDS = [f"00000000-0000-0000-0000-{number:012}" for number in range(9)]
FSTAB = f"UUID={GUIDS[2]} / ext4 defaults 0 1\ntmpfs /tmp tmpfs size=1G 0 0\n"
SIZES = {"/": 900 * MIB, "/home": 300 * MIB, "/var": 200 * MIB, "/var/lib": 150 * MIB}
CONFIG = """\
storage:
  bootType: efi
  disks:
    - maxSize: 3G
      partitions:
        - {id: esp, type: esp, size: 96M}
        - {id: root, type: root, size: ROOT}
        - {id: home, type: home, size: grow}
  filesystems:
    - {deviceId: esp, type: fat32, mountPoint: /boot/efi}
    - {deviceId: root, type: ext4, mountPoint: /}
    - {deviceId: home, type: xfs, mountPoint: /home}
os: {bootloader: {resetType: hard-reset}}
"""


def partition(number: int, mount: str, holds: str, guid: str = GUIDS[8]) -> ExistingPartition:
    module = holds if mount else ""
    uuid = "0A0B-0C0D" if holds == "vfat" else GUIDS[number]
    return ExistingPartition(
        number, f"part{number}", guid, GUIDS[number], 0, number * 100 * MIB, 100 * MIB, module,
        uuid, "", mount, (), holds,
    )  # fmt: skip


def source(
    *others: ExistingPartition, fstab: str = FSTAB, esp: str = "/boot/efi", can_grow: bool = True
) -> DiskSource:
    family = family_named("harbor")
    assert family is not None
    first = partition(1, esp, "vfat", str(ESP))
    return DiskSource(
        Path("/image"), "", "0f" * 32, Container.RAW, 4 << 30, GUIDS[0], "",
        (first, partition(2, "/", "ext4"), *others), 0, Architecture.X86_64, family, 1, (),
        storage=ExistingStorage(fstab, SIZES, can_grow),
    )  # fmt: skip


def loaded(tmp_path: Path, root: str = "1G") -> LoadedImage:
    (tmp_path / "config.yaml").write_text(CONFIG.replace("ROOT", root))
    return load_image(tmp_path / "config.yaml")


def codes(file: LoadedImage, image: DiskSource) -> dict[str, str]:
    with pytest.raises(DockyardError) as caught:
        new_layout(file, image)
    return {each.code: f"{each.what}; {each.why}; {each.fix}" for each in caught.value.problems}


def test_the_tree_goes_to_the_new_disk_with_what_is_mounted_from_elsewhere(tmp_path: Path) -> None:
    layout = new_layout(loaded(tmp_path), source())
    assert layout == new_layout(loaded(tmp_path), source())
    esp, root, home = (each.guid for each in layout.partitions)
    assert fstab_over(layout, source()) == (
        f"PARTUUID={root} / ext4 defaults 0 1\n"
        f"PARTUUID={esp} /boot/efi vfat nofail 0 2\n"
        f"PARTUUID={home} /home xfs x-systemd.growfs 0 0\n"
        "tmpfs /tmp tmpfs size=1G 0 0\n"
    )
    assert str(root) not in GUIDS


def test_the_parts_of_the_tree_are_counted_once() -> None:
    storage = ExistingStorage("", SIZES)
    assert storage.size("/") == 900 * MIB
    assert storage.size("/", ("/home", "/var", "/var/lib", "/")) == 400 * MIB
    assert storage.size("/var", ("/home", "/var/lib", "/variable")) == 50 * MIB


def test_another_place_of_what_firmware_starts_is_refused(tmp_path: Path) -> None:
    told = codes(loaded(tmp_path), source(esp="/boot"))
    assert "at /boot, the new disk at /boot/efi" in told["image.other-esp"]


def test_what_may_be_on_the_old_disk_or_is_mounted_twice_is_refused(tmp_path: Path) -> None:
    text = f"{FSTAB}/dev/sdb1 /backup ext4 defaults 0 0\nserver:/h /home nfs4 defaults 0 0\n"
    told = codes(loaded(tmp_path), source(fstab=text))
    assert "line 3 of the image's /etc/fstab mounts /dev/sdb1" in told["image.unclear-mount"]
    assert "/home is mounted from server:/h by line 4" in told["image.mounted-twice"]


def test_what_is_left_behind_is_told(tmp_path: Path) -> None:
    image = source(partition(3, "", "LUKS"), partition(4, "", "swap"), can_grow=False)
    file = loaded(tmp_path)
    layout = new_layout(file, image)
    told = list(left_behind(file, image, layout))
    assert [each.code for each in told] == ["image.left-behind", "image.does-not-grow"]
    assert "partition 3 part3 of the image (LUKS, 100M)" in told[0].what
    assert "growfs" not in fstab_over(layout, image)
