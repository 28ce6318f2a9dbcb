"""Debian's GRUB, by the programs that Microsoft and Debian have signed: under Secure Boot, and by a
BIOS.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import run_dockyard
from test_sign_outside import tool

from features import Way, covers

IMAGE = """\
name: signed
distro: debian-13
storage:
  bootType: hybrid
  disks:
    - partitions:
        - {id: bios, type: bios-grub, size: 1M}
        - {id: esp, type: esp, label: esp, size: 64M}
        - {id: root, type: root, label: root, size: 1G}
  filesystems:
    - {deviceId: esp, type: vfat, mountPoint: {path: /boot/efi, options: umask=0077}}
    - {deviceId: root, type: ext4, mountPoint: /}
os:
  hostname: signed
  bootloader: {resetType: hard-reset, type: grub}
  kernelCommandLine: {extraCommandLine: [console=ttyS0]}
  packages:
    install:
      - dbus
      - e2fsprogs
      - grub-efi-amd64-signed
      - linux-image-cloud-amd64
      - shim-signed
      - systemd
      - systemd-sysv
      - udev
output:
  artifacts: {items: [shim, bootloader], path: ./out}
"""
VARIABLE = "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
SECURE = f"""
checks:
  - name: the firmware says that Secure Boot is on
    command: od --address-radix=n --format=u1 --skip-bytes=4 {VARIABLE} | tr -d ' '
    output: "1"
  - name: the kernel holds itself to it
    command: "grep --only-matching '\\\\[[a-z]*\\\\]' /sys/kernel/security/lockdown"
    output: "[integrity]"
"""
LEGACY = """
checks:
  - {name: a BIOS started it, command: "! test -e /sys/firmware/efi"}
"""
pytestmark = [pytest.mark.boot, pytest.mark.long]


@pytest.fixture(scope="module")
def place(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory with the image `image.raw`, its file, and its programs in `out`."""
    place = tmp_path_factory.mktemp("signed")
    image = place / "image.yaml"
    image.write_text(IMAGE)
    run_dockyard("lock", image)
    run_dockyard("build", image, "--output-image-file", place / "image.raw")
    yield place


def boot(place: Path, checks: str, *words: str) -> None:
    """Boot the image as it is, with further questions; all must hold."""
    config = place / "asked.yaml"
    config.write_text(IMAGE + checks)
    config.with_suffix(".lock").write_bytes((place / "image.lock").read_bytes())
    given = ("--config-file", str(config), "--check", "--json", "--timeout", "600", *words)
    told = run_dockyard("boot", place / "image.raw", *given, check=False).json
    assert [check for check in told["checks"] if not check["passed"]] == []
    assert (told["systemState"], told["failedUnits"]) == ("running", [])
    assert checks.count("- name") + checks.count("{name") <= len(told["checks"])


@covers(distribution="Debian 13", loader="GRUB", way=Way.SECURE)
def test_what_is_signed_boots_under_secure_boot(place: Path) -> None:
    boot(place, SECURE, "--secure-boot")


@covers("storage.bootType, hybrid", distribution="Debian 13", loader="GRUB", way=Way.HYBRID)
def test_the_same_disk_boots_by_a_bios(place: Path) -> None:
    boot(place, LEGACY, "--bios")


@pytest.mark.parametrize(
    "name", [pytest.param("shim/BOOTX64.EFI", id="by the firmware"),
             pytest.param("bootloader/grubx64.efi", id="by shim")]
)  # fmt: skip
def test_an_unsigned_grub_is_refused(place: Path, tmp_path: Path, name: str) -> None:
    out = place / "out"
    signed = {path: path.read_bytes() for path in out.rglob("*") if path.suffix.lower() == ".efi"}
    program = out / name
    try:
        program.write_bytes(signed[out / "bootloader/grubx64.efi"])
        tool(place, "sbattach", "--remove", str(program))
        words = ("--config-file", out / "inject-files.yaml", "--image-file", place / "image.raw")
        run_dockyard("inject-files", *words, "--output-image-file", tmp_path / "unsigned.raw")
    finally:
        for path, content in signed.items():
            path.write_bytes(content)
    given = ("--config-file", place / "image.yaml", "--check", "--timeout", "200", "--secure-boot")
    ran = run_dockyard("boot", tmp_path / "unsigned.raw", *given, check=False)
    assert ran.status == 1 and "vm.secure-boot-refused" in ran.stderr
