"""What GRUB is given to boot an image by: where it finds /boot, its menu, an entry."""

from __future__ import annotations

import pytest

from dockyard.archive import Archive, Entry, Kind
from dockyard.config import parse_image
from dockyard.disk import grub
from dockyard.disk.layout import DiskLayout, lay_out
from dockyard.host.process import ProcessFailed
from dockyard.host.sandbox import Tools
from dockyard.inspection.boot import boot_of
from dockyard.inspection.tree import Mounted, Tree
from dockyard.model.architecture import Architecture
from dockyard.model.family import DEBIAN, HARBOR, family_named
from dockyard.pipeline.grub_problems import grub_problems

DISK = """\
storage:
  bootType: efi
  disks:
    - partitions:
        - {id: esp, type: esp, size: 64M}
        - {id: boot, size: 512M}
        - {id: root, size: 1G}
  filesystems:
    - {deviceId: esp, type: vfat, mountPoint: /boot/efi}
"""
BOOT = "    - {deviceId: boot, type: xfs, mountPoint: /boot}\n"
OTHER = "    - {deviceId: boot, type: xfs, mountPoint: /srv}\n"
ROOT = "    - {deviceId: root, type: ext4, mountPoint: /}\n"
SUBVOLUMES = """\
    - deviceId: root
      type: btrfs
      btrfs:
        subvolumes:
          - {path: system/root, mountPoint: /}
          - {path: home, mountPoint: /home}
"""
SUBVOLUME_OF_BOOT = "          - {path: kernels, mountPoint: /boot}\n"
OS = "os: {bootloader: {resetType: hard-reset, type: grub}"


def layout(text: str) -> DiskLayout:
    loaded = parse_image(f"{DISK}{text}{OS}}}\n")
    return lay_out(loaded.image.storage, b"seed")


@pytest.mark.parametrize(
    ("filesystems", "key", "path"),
    [
        (BOOT + ROOT, "boot", ""),
        (OTHER + ROOT, "root", "/boot"),
        (SUBVOLUMES, "root", "/system/root/boot"),
        (SUBVOLUMES + SUBVOLUME_OF_BOOT, "root", "/kernels"),
    ],
)
def test_where_grub_finds_boot(filesystems: str, key: str, path: str) -> None:
    laid = layout(filesystems)
    system = laid.partition(key).filesystem
    assert system is not None
    assert grub.boot_place(laid) == grub.BootPlace(system.uuid_text, path)


PLACE = grub.BootPlace("11111111-2222-3333-4444-555555555555", "/boot")


@pytest.mark.build
@pytest.mark.parametrize(
    "text",
    [
        grub.first_settings(PLACE, "/boot/grub2/grub.cfg"),
        grub.menu_text(PLACE, ("blsuki",)),
    ],
)
def test_grub_itself_reads_the_menu(text: str, tools: Tools) -> None:
    tools.run(["grub-script-check"], stdin=text.encode())
    with pytest.raises(ProcessFailed):
        tools.run(["grub-script-check"], stdin=f"{text}if\n".encode())


def test_the_menu_is_where_the_first_settings_say() -> None:
    first = grub.first_settings(PLACE, "/boot/grub2/grub.cfg").splitlines()
    assert first == [
        "search --no-floppy --fs-uuid --set=root 11111111-2222-3333-4444-555555555555",
        "set prefix=($root)/boot/grub2",
        "configfile $prefix/grub.cfg",
    ]
    assert "blscfg --path /boot/loader/entries\n" in grub.menu_text(PLACE, ())


def test_an_entry_is_what_inspection_reads() -> None:
    text = grub.entry_text(PLACE, "Harbor Linux 1", "6.12.1", "root=UUID=x rw")
    path = f"{grub.ENTRIES}/{grub.entry_name('harbor', '6.12.1')}"

    at = path.lstrip("/").encode()
    archive = Archive.from_entries([Entry(at, Kind.FILE, 0o644)], {at: text.encode()})
    (entry,) = boot_of(Tree([Mounted(b"", archive)]), None).entries
    assert (entry.kind, entry.kernel, entry.command_line) == ("bls", "6.12.1", "root=UUID=x rw")
    assert "linux /boot/vmlinuz-6.12.1\ninitrd /boot/initramfs-6.12.1.img\n" in text


def codes(text: str, family=HARBOR, architecture=Architecture.X86_64) -> list[str]:  # type: ignore[no-untyped-def]
    loaded = parse_image(DISK + text)
    laid = lay_out(loaded.image.storage, b"seed")
    return [found.code for found in grub_problems(loaded, laid, family, architecture)]


def test_what_cannot_be_booted_with_grub_is_refused_by_name() -> None:
    fine = f"{BOOT}{ROOT}{OS}}}\n"
    assert codes(fine) == codes(fine, DEBIAN) == []
    assert codes(fine, family_named("fedora-41")) == ["build.no-grub"]
    assert codes(fine, HARBOR, Architecture.AARCH64) == []
    erofs = ROOT.replace("ext4", "erofs")
    assert codes(f"{BOOT}{erofs}{OS}}}\n") == []
    assert codes(f"{OTHER}{erofs}{OS}}}\n") == ["build.grub-cannot-read"]
    assert codes(f"{OTHER}{erofs}{OS.replace(', type: grub', '')}}}\n") == []
    words = ", kernelCommandLine: {extraCommandLine: [quiet, a=$b]}"
    assert codes(f"{BOOT}{ROOT}{OS}{words}}}\n") == ["build.grub-variable"]
