"""What a boot needs and the lock lacks is told with the packages that bring it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from rpm_repositories import access, add_rpm

from dockyard.config import parse_image
from dockyard.disk.layout import lay_out
from dockyard.model.architecture import Architecture
from dockyard.model.os import Initrd, InitrdBuilder
from dockyard.model.packages import PinBy, Request, RpmRepository
from dockyard.packages import locking as locks
from dockyard.pipeline.required import missing_packages, wanted_parts

STORAGE = """\
storage:
  bootType: efi
  disks:
    - maxSize: 4G
      partitions:
        - {id: esp, type: esp, size: 64M}
        - {id: swap, type: swap, size: 64M}
        - {id: root, type: root, size: grow}
  filesystems:
    - {deviceId: esp, type: vfat, mountPoint: /boot/efi}
    - {deviceId: root, type: ROOT, mountPoint: /}
os: {bootloader: {resetType: hard-reset}}
"""


@pytest.mark.parametrize(
    ("root", "needs", "not_needed"),
    [
        ("ext4", {"fsck.ext4", "swapon", "/usr/bin/systemd-repart"}, {"/usr/bin/dracut"}),
        ("xfs", {"swapon", "/usr/bin/systemd-repart"}, {"fsck.ext4", "fsck.xfs"}),
        ("erofs", {"swapon", "/usr/lib/systemd/systemd"}, {"/usr/bin/systemd-repart"}),
    ],
)
def test_a_layout_says_what_its_boot_needs(
    root: str, needs: set[str], not_needed: set[str]
) -> None:
    layout = lay_out(parse_image(STORAGE.replace("ROOT", root)).image.storage, b"seed")
    wanted = wanted_parts(layout, Initrd())
    assert needs <= wanted.keys() and not not_needed & wanted.keys()


def test_dracut_brings_its_own_initrd() -> None:
    layout = lay_out(parse_image(STORAGE.replace("ROOT", "ext4")).image.storage, b"seed")
    wanted = wanted_parts(layout, Initrd(builder=InitrdBuilder.DRACUT))
    assert {"/usr/bin/dracut", "fsck.ext4"} <= wanted.keys()
    assert "/usr/lib/systemd/systemd" not in wanted


def test_missing_packages_are_named_with_what_is_wanted_of_them(tmp_path: Path) -> None:
    root, known = tmp_path / "rpms", access(tmp_path / "store")
    add_rpm(root, "kernel", path="/boot/vmlinuz-6.1")
    add_rpm(root, "util-linux", path="/usr/sbin/fsck")
    add_rpm(root, "e2fsprogs", path="/usr/sbin/fsck.ext4")
    add_rpm(root, "systemd", path="/usr/lib/systemd/systemd")
    source = RpmRepository("own", (root.as_uri(),), check_packages=False, pin=PinBy.CONTENT)
    wanted = ("fsck", "fsck.ext4", "/usr/lib/systemd/systemd", "nowhere")

    def missing(*names: str) -> dict[str, list[str]]:
        lock = locks.make_lock("web", Request(names), [source], known)
        return missing_packages(wanted, lock, [source], known, Architecture.X86_64)

    assert missing("kernel") == {
        "util-linux": ["fsck"],
        "e2fsprogs": ["fsck.ext4"],
        "systemd": ["/usr/lib/systemd/systemd"],
    }
    assert missing("systemd", "util-linux") == {"e2fsprogs": ["fsck.ext4"]}
    assert missing("systemd", "util-linux", "e2fsprogs") == {}
    # Planning asks no server.
    elsewhere = replace(source, base_urls=("https://mirror.invalid/",))
    lock = locks.make_lock("web", Request(("kernel",)), [source], known)
    assert missing_packages(wanted, lock, [elsewhere], known, Architecture.X86_64) == {}
