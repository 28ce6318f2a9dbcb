"""A disk is read once: what is known of it then is what its record says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from dockyard.archive import Archive, Entry, Kind
from dockyard.config import parse_image
from dockyard.disk.assemble import assemble
from dockyard.disk.boot_files import BootKind
from dockyard.disk.layout import lay_out
from dockyard.engine.store import Store, default_root
from dockyard.errors import DockyardError
from dockyard.filesystems import FilesystemSpec, by_name
from dockyard.filesystems.limits import Unheld
from dockyard.host.sandbox import Tools
from dockyard.model.architecture import Architecture
from dockyard.model.family import HARBOR
from dockyard.packages.origins import Origins
from dockyard.pipeline import existing_facts
from dockyard.pipeline.existing import read_existing
from dockyard.pipeline.existing_disk import DiskSource

DISK = """\
storage:
  bootType: efi
  disks:
    - partitions:
        - {id: esp, type: esp, size: 64M}
        - {id: root, size: 64M}
        - {id: other, size: 8M}
  filesystems:
    - {deviceId: esp, type: vfat, mountPoint: /boot/efi}
    - {deviceId: root, type: ext4, mountPoint: /}
os: {bootloader: {resetType: hard-reset}}
"""
EPOCH = 1_000_000_000
PROGRAM = b"\x7fELF\x02\x01\x01".ljust(18, b"\0") + b"\xb7\0"  # for aarch64
MENU = "menuentry A {\n linux /boot/vmlinuz-6.1 root=LABEL=a ro\n}\n"
ROOT = {
    "etc/os-release": b"ID=harbor\nVERSION_ID=1\n",
    "etc/fstab": b"LABEL=BOOT /boot/efi vfat defaults 0 2\n",
    "usr/bin/sh": PROGRAM,
    "usr/lib/modules/6.1/modules.dep": b"",
    "boot/vmlinuz-6.1": b"kernel",
    "boot/grub2/grub.cfg": MENU.encode(),
    "home/large": bytes(3 << 20),
}

Made = Callable[[Mapping[str, bytes]], Path]


@pytest.fixture
def made(tmp_path: Path, tools: Tools) -> Made:
    def make(files: Mapping[str, bytes]) -> Path:
        layout = lay_out(parse_image(DISK).image.storage, b"seed", Architecture.AARCH64)
        parts = {}
        for key, module, label, content in (
            ("esp", "vfat", "BOOT", {"EFI/a/grub.cfg": b"configfile /boot/grub2/grub.cfg\n"}),
            ("root", "ext4", "a", files),
        ):
            system = layout.partition(key).filesystem
            assert system is not None
            data: dict[bytes, bytes | Path] = {at.encode(): text for at, text in content.items()}
            entries = [Entry(at, Kind.FILE, 0o755, mtime_ns=_time(at)) for at in data]
            parts[key] = tmp_path / key
            spec = FilesystemSpec(system.uuid, label, EPOCH)
            size = layout.partition(key).size
            by_name(module).write(
                Archive.from_entries(entries, data), parts[key], size, spec, tools
            )
        assemble(layout, parts, tmp_path / "disk.raw")
        return tmp_path / "disk.raw"

    return make


def _time(path: bytes) -> int:
    return -1_500_000_000 if path.endswith(b"/old") else EPOCH * 10**9


def read(image: Path) -> DiskSource:
    return read_existing(image, Store(default_root()), Origins())


def test_what_is_read_once_is_known_until_the_image_is_another(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = made(ROOT)
    found = read(image)
    assert (found.family, found.architecture) == (HARBOR, Architecture.AARCH64)
    assert {at: each.module for at, each in found.mounts.items()} == {
        "/": "ext4", "/boot/efi": "vfat"
    }  # fmt: skip
    assert [each.holds for each in found.partitions] == ["vfat", "ext4", ""]
    assert found.boot.boot_kind is BootKind.GRUB_MENU
    assert found.boot.command_lines == ("root=LABEL=a ro",) and found.boot.kernels == ("6.1",)
    assert (found.epoch, found.package_count, found.installed) == (EPOCH, 0, None)
    assert found.storage.size("/home") == 3 << 20 and "LABEL=BOOT" in found.storage.fstab
    assert found.contents is not None and found.contents.has("/boot/vmlinuz-6.1")
    assert not found.verity and found.medium is None and not found.labelled

    class ReadAgain(Exception):
        pass

    def fail(*_: object) -> None:
        raise ReadAgain

    monkeypatch.setattr(existing_facts, "read_facts", fail)
    assert read(image) == found
    with image.open("r+b") as disk:
        disk.write(b"\xeb")
    with pytest.raises(ReadAgain):
        read(image)


def test_what_other_file_systems_cannot_hold_is_known_of_a_disk(made: Made) -> None:
    found = read(made({**ROOT, "home/old": b""})).storage.unheld
    assert found == (Unheld("erofs", "time", "/home/old", "/home/old"),)


def test_all_that_stands_in_the_way_is_told_together(made: Made) -> None:
    image = made({**ROOT, "etc/os-release": b"ID=other\n", "usr/bin/sh": b"#!"})
    with pytest.raises(DockyardError) as caught:
        read(image)
    assert {problem.code for problem in caught.value.problems} == {
        "image.unknown-distribution", "image.unknown-architecture"
    }  # fmt: skip
