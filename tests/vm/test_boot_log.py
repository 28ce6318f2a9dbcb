"""Consoles that were recorded from images broken on purpose, and how they are understood."""

from __future__ import annotations

from pathlib import Path

import pytest

from dockyard.vm.boot_log import STALLED, BootLog, Stage

CONSOLES = Path(__file__).parent / "consoles"


def read(name: str, piece: int) -> BootLog:
    log = BootLog()
    data = (CONSOLES / f"{name}.txt").read_bytes()
    for start in range(0, len(data), piece):
        log.feed(data[start : start + piece])
    return log


@pytest.mark.parametrize("piece", [1, 7, 1 << 20])
@pytest.mark.parametrize(
    ("name", "stage", "code", "shown"),
    [
        ("noloader", Stage.FIRMWARE, "vm.nothing-to-boot", "failed to load Boot0001"),
        ("nouki", Stage.BOOT_LOADER, "vm.no-boot-entry", "Reboot Into Firmware Interface"),
        ("panic", Stage.KERNEL, "vm.no-root", "Kernel panic - not syncing: VFS"),
        ("noroot", Stage.INITRD, "vm.device-missing", "Timed out waiting for device"),
        ("stall", Stage.INITRD, STALLED, "Possible timer handling issue"),
    ],
)
def test_a_broken_boot_is_understood(
    name: str, stage: Stage, code: str, shown: str, piece: int
) -> None:
    log = read(name, piece)
    found = log.ending()
    assert (log.stage, found and found.code) == (stage, code)
    assert found
    assert any(shown in line for line in found.lines)
    assert "\x1b" not in "".join(found.lines) + "".join(log.tail())


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("[    8.474143] Oops: int3: 0000 [#1] PREEMPT SMP NOPTI", STALLED),
        ("Fatal glibc error: CPU does not support x86-64-v3", "vm.cpu-too-old"),
        (
            "boot.c:2576@image_start: Error loading \\EFI\\Linux\\lab.efi: Access denied",
            "vm.secure-boot-refused",
        ),
        ("Verification failed: (0x1A) Security Violation", "vm.secure-boot-refused"),
        ("error: bad shim signature.", "vm.secure-boot-refused"),
        ("BdsDxe: No bootable option or device was found.", "vm.nothing-to-boot"),
        ("grub rescue> ", "vm.boot-loader-failed"),
        ("error: file `/vmlinuz-6.12' not found.", "vm.boot-loader-failed"),
        ("[    4.1] Kernel panic - not syncing: Attempted to kill init!", "vm.kernel-panic"),
        ("You are in emergency mode. After logging in, type", "vm.emergency-mode"),
        ("[  9.1] Out of memory: Killed process 1 (systemd) total-vm", "vm.out-of-memory"),
        (
            "[ ***  ] Job dev-virtio\\x2dports-dockyard.report.device/start running (46s / 1min)",
            "vm.no-report-port",
        ),
    ],
)
def test_words_that_end_a_boot(text: str, code: str) -> None:
    log = BootLog()
    log.feed(text.encode() + b"\r\n")
    found = log.ending()
    assert found
    assert found.code == code


def test_a_device_that_is_late_in_the_running_system_is_no_end() -> None:
    log = BootLog()
    log.feed(b"Switching root.\r\n")
    log.feed(b"[ TIME ] Timed out waiting for device dev-sdb1.device - /dev/sdb1.\r\n")
    assert log.stage is Stage.SERVICES
    assert log.ending() is None


def test_a_good_boot_has_no_end() -> None:
    log = BootLog()
    log.feed(
        b'BdsDxe: starting Boot0001 "UEFI Misc Device" from PciRoot(0x0)\r\n'
        b"EFI stub: Loaded initrd from LINUX_EFI_INITRD_MEDIA_GUID device path\r\n"
        b"[    0.000000] Linux version 6.12\r\n[    3.1] Run /init as init process\r\n"
        b"\r\nWelcome to \x1b[1mHarbor Linux 1\x1b[0m!\r\n\r\nlogin: "
    )
    assert (log.stage, log.ending(), log.kernel_seen) == (Stage.SERVICES, None, True)


def test_what_a_menu_can_do_without_is_no_end() -> None:
    """As Debian's menu says it, with a GRUB that has all modules in it."""
    log = BootLog()
    log.feed(
        b"error: file `/boot/grub/fonts/unicode.pf2' not found.\r\n"
        b"error: no suitable video mode found.\r\n"
        b"error: file `/boot/grub/x86_64-efi/bli.mod' not found.\r\n"
        b"error: can't find command `fwsetup'.\r\n"
        b"error: file `/boot/grub/x86_64-efi/command.lst' not found.\r\n"
    )
    assert log.ending() is None


def test_a_line_that_is_written_over_shows_what_was_written_last() -> None:
    log = BootLog()
    log.feed(b"\rstep 1\rstep 2\r\n")
    assert log.tail() == ("step 2",)
