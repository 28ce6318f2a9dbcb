"""Who uses a block device is told from /sys, mountinfo and /proc/swaps, here of hosts made up."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from dockyard.host.block_device import Devices


@dataclass
class FakeHost:
    """A /sys and a /proc."""

    root: Path

    def __post_init__(self) -> None:
        for name in ("sys/class/block", "sys/dev/block", "sys/block", "proc/self"):
            (self.root / name).mkdir(parents=True)
        self.mounts()

    @property
    def devices(self) -> Devices:
        return Devices(self.root / "sys", self.root / "proc")

    def add(self, name: str, number: int, *, of: str = "", sectors: int = 8 << 20) -> Path:
        """A disk; of: a partition of a disk."""
        base = self.root / "sys/devices"
        place = base / of / name if of else base / name
        for each in ("holders", "slaves"):
            (place / each).mkdir(parents=True)
        (place / "size").write_text(f"{sectors}\n")
        (place / "ro").write_text("0\n")
        if of:
            (place / "partition").write_text("1\n")
        else:
            (place / "queue").mkdir()
            (place / "queue/logical_block_size").write_text("512\n")
        (self.root / "sys/class/block" / name).symlink_to(place)
        (self.root / f"sys/dev/block/8:{number}").symlink_to(place)
        return place

    def hold(self, lower: str, upper: str) -> None:
        """A device that is made of another one."""
        names = self.root / "sys/class/block"
        (names / lower / "holders" / upper).symlink_to(names / upper)
        (names / upper / "slaves" / lower).symlink_to(names / lower)

    def mounts(self, *lines: str) -> None:
        text = "".join(f"{number} 1 {line}\n" for number, line in enumerate(lines))
        (self.root / "proc/self/mountinfo").write_text(text)

    def swaps(self, *names: str) -> None:
        text = "".join(f"{name} partition 1 0 -2\n" for name in names)
        (self.root / "proc/swaps").write_text("Filename Type Size Used Priority\n" + text)

    def uses(self, number: int) -> list[str]:
        return list(self.devices.uses(self.devices.find(os.makedev(8, number))))


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    host = FakeHost(tmp_path)
    host.add("sda", 0)
    host.add("sda1", 1, of="sda")
    host.add("sda2", 2, of="sda")
    return host


def test_what_a_device_is(host: FakeHost) -> None:
    place = host.root / "sys/devices/sda"
    (place / "device").mkdir()
    (place / "device/vendor").write_text("SanDisk \n")
    (place / "device/model").write_text("Extreme \n")
    (place / "queue/logical_block_size").write_text("4096\n")
    disk = host.devices.find(os.makedev(8, 0))
    assert (disk.name, disk.size, disk.sector, disk.read_only) == ("sda", 4 << 30, 4096, False)
    assert (disk.parts, disk.disk, disk.title) == (("sda1", "sda2"), "", "SanDisk Extreme")
    part = host.devices.find(os.makedev(8, 2))
    assert (part.name, part.disk, part.parts, part.sector) == ("sda2", "sda", (), 4096)
    (place / "ro").write_text("1\n")
    assert host.devices.find(os.makedev(8, 2)).read_only
    with pytest.raises(OSError):
        host.devices.find(os.makedev(8, 9))


def test_a_disk_that_nobody_uses(host: FakeHost) -> None:
    host.add("sdb", 16)
    host.mounts("8:1 / / rw - ext4 /dev/sda1 rw", "0:5 / /proc rw - proc proc rw")
    host.swaps("/dev/sda2")
    assert host.uses(16) == []


def test_mounts_of_a_disk_and_of_its_partitions(host: FakeHost) -> None:
    host.mounts(
        "8:2 / /mnt/my\\040stick rw - ext4 /dev/sda2 rw", "8:0 / /a rw - iso9660 /dev/sda rw"
    )
    assert host.uses(0) == ["sda2 is mounted at /mnt/my stick", "sda is mounted at /a"]
    assert host.uses(2) == ["sda2 is mounted at /mnt/my stick"]
    assert host.uses(1) == []


def test_btrfs_has_a_number_of_its_own(host: FakeHost) -> None:
    host.mounts("0:33 /sub /mnt rw - btrfs /dev/sda1 rw")
    assert host.uses(0) == ["sda1 is mounted at /mnt"]


def test_swap_space(host: FakeHost) -> None:
    host.swaps("/dev/sda2")
    assert host.uses(2)[0] == "sda2 is swap space"
    assert host.uses(1) == [], "another partition of the disk is free"
    assert "sda holds the running system" in host.uses(0)


def test_what_is_made_of_a_partition(host: FakeHost) -> None:
    for name, number, uuid in (("dm-0", 50, "LVM-abc"), ("dm-1", 51, "CRYPT-LUKS2-x")):
        place = host.add(name, number)
        (place / "dm").mkdir()
        (place / "dm/uuid").write_text(f"{uuid}\n")
        (place / "dm/name").write_text(f"vg-{name}\n")
    (host.add("md0", 60) / "md").mkdir()
    host.hold("sda1", "dm-0")
    host.hold("sda1", "dm-1")
    host.hold("sda2", "md0")
    assert host.uses(0) == [
        "dm-0 (LVM volume vg-dm-0) is made of sda1",
        "dm-1 (encrypted volume vg-dm-1) is made of sda1",
        "md0 (RAID) is made of sda2",
    ]


def test_the_disk_of_the_running_system_through_layers(host: FakeHost) -> None:
    for name, number in (("dm-0", 50), ("md0", 60), ("sdb", 16)):
        host.add(name, number)
    host.hold("sda2", "md0")
    host.hold("sdb", "md0")
    host.hold("md0", "dm-0")
    host.mounts("8:50 / / rw - ext4 /dev/mapper/root rw", "8:50 / /mnt rw - ext4 /dev/dm-0 rw")
    assert "sda holds the running system" in host.uses(0)
    assert "sdb holds the running system" in host.uses(16)
    assert "dm-0 holds the running system" in host.uses(50)
    assert host.uses(1) == []


def test_a_file_behind_a_loop_device(host: FakeHost, tmp_path: Path) -> None:
    file = tmp_path / "disk"
    file.touch()
    assert list(host.devices.users_of_file(file)) == []
    loop = host.root / "sys/block/loop3/loop"
    loop.mkdir(parents=True)
    (loop / "backing_file").write_text(f"{file}\n")
    host.swaps(str(file))
    assert list(host.devices.users_of_file(file)) == [
        "loop3 (a loop device) is made of it",
        "it is swap space",
    ]
