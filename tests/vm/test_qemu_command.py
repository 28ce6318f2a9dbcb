from __future__ import annotations

import subprocess
from base64 import b64decode
from dataclasses import replace
from pathlib import Path

import pytest

from dockyard.errors import DockyardError
from dockyard.model.architecture import Architecture
from dockyard.vm import credentials
from dockyard.vm.devices import Graphics, SharedDirectory
from dockyard.vm.qemu import (
    Accel,
    Disk,
    Firmware,
    Forward,
    Machine,
    command,
    detect_format,
    find_firmware,
    served_to,
)

COSI = b"cosi-marker".ljust(257, b"\0") + b"ustar"
FIRMWARE = Firmware(Path("/usr/share/OVMF/OVMF_CODE_4M.fd"), Path("/w/variables"))


def line(machine: Machine, disk: Disk, **more: object) -> str:
    return " ".join(command(machine, disk, FIRMWARE, channels={}, **more))  # type: ignore[arg-type]


def test_the_image_is_not_changed_unless_it_is_to_be_kept() -> None:
    assert "snapshot=on" in line(Machine(), Disk(Path("/i.raw"), "raw"))
    assert "snapshot=off" in line(Machine(), Disk(Path("/i.raw"), "raw", kept=True))


def test_a_comma_in_a_path_does_not_end_it() -> None:
    assert "file=/a,,b.raw" in line(Machine(), Disk(Path("/a,b.raw"), "raw"))


def test_there_is_always_a_network_card_and_a_way_out_only_when_asked_for() -> None:
    alone = line(Machine(), Disk(Path("/i"), "raw"))
    assert "user,id=net,restrict=on " in alone
    assert "virtio-net-pci" in alone
    assert "restrict=off" in line(Machine(network=True), Disk(Path("/i"), "raw"))
    forwarded = Machine(forwards=(Forward(2222, 22),))
    told = line(forwarded, Disk(Path("/i"), "raw"))
    assert "restrict=on,hostfwd=tcp:127.0.0.1:2222-:22" in told


def test_the_processor_suits_the_accelerator() -> None:
    assert "-accel kvm -cpu host" in line(Machine(Accel.KVM), Disk(Path("/i"), "raw"))
    assert "-accel tcg -cpu qemu64" in line(Machine(), Disk(Path("/i"), "raw"))
    assert "-cpu max" in line(Machine(cpu="max"), Disk(Path("/i"), "raw"))


def test_another_architecture_has_a_machine_of_its_own(tmp_path: Path) -> None:
    machine = Machine(architecture=Architecture.AARCH64)
    told = line(machine, Disk(Path("/i"), "raw"))
    assert told.startswith("qemu-system-aarch64 ") and "-machine virt -accel tcg" in told
    assert "-cpu cortex-a57" in told and machine.serial == "ttyAMA0"
    shown = Machine(architecture=Architecture.AARCH64, graphics=Graphics(5901, Path("/w/word")))
    assert "virtio-gpu-pci" in line(shown, Disk(Path("/i"), "raw"))
    for wrong in (replace(machine, bios=True), replace(machine, bus="sata")):
        with pytest.raises(DockyardError, match="a machine for aarch64 has"):
            line(wrong, Disk(Path("/i"), "raw"))
    place = tmp_path / "usr/share/AAVMF"
    place.mkdir(parents=True)
    for name in ("AAVMF_CODE.no-secboot.fd", "AAVMF_VARS.fd"):
        (place / name).touch()
    found = find_firmware(tmp_path, architecture=Architecture.AARCH64)
    assert found.code == Path("/usr/share/AAVMF/AAVMF_CODE.no-secboot.fd")
    with pytest.raises(DockyardError, match="for aarch64 that does Secure Boot"):
        find_firmware(tmp_path, True, Architecture.AARCH64)


def test_a_controller_without_a_disk_is_left_out() -> None:
    for bus, without in (("virtio", True), ("nvme", True), ("sata", False)):
        assert ("sata=off" in line(Machine(bus=bus), Disk(Path("/i"), "raw"))) is without


def test_a_fixed_vhd_keeps_its_size() -> None:
    told = line(Machine(), Disk(Path("/i"), "vhd-fixed"))
    assert "format=vpc,force_size_calc=current_size" in told


def test_a_format_that_cannot_be_booted_is_refused() -> None:
    with pytest.raises(DockyardError) as caught:
        line(Machine(), Disk(Path("/i"), "cosi"))
    assert caught.value.problems[0].code == "vm.format-not-bootable"


def test_every_credential_is_one_argument() -> None:
    strings = credentials.for_checks("echo 'a,b'\n", "x")
    argv = command(Machine(), Disk(Path("/i"), "raw"), FIRMWARE, channels={}, smbios=strings)
    values = [argument for argument in argv if argument.startswith("type=11,value=")]
    assert len(values) == len(strings)
    assert all(value.count(",") == 1 for value in values)


def test_a_login_key_reaches_the_user_it_is_for(tmp_path: Path) -> None:
    strings = credentials.for_login("alice", "ssh-ed25519 AAAA it's mine")
    (found,) = [text for text in strings if ":dockyard.login=" in text]
    script = b64decode(found.partition("=")[2]).decode()
    (tmp_path / "getent").write_text(f"#!/bin/sh\necho $2:x:1000:1000::{tmp_path}/home:/bin/sh\n")
    (tmp_path / "id").write_text(
        "#!/bin/sh\ncase $1 in -u) exec /usr/bin/id -u ;; esac\nexec /usr/bin/id -g\n"
    )
    for name in ("getent", "id"):
        (tmp_path / name).chmod(0o755)
    for _ in range(2):
        subprocess.run(["sh", "-c", script], env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, check=True)
    keys = tmp_path / "home/.ssh/authorized_keys"
    assert keys.read_text() == "ssh-ed25519 AAAA it's mine\n"
    assert keys.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("content", "format"),
    [
        (b"QFI\xfb" + bytes(600), "qcow2"),
        (b"vhdxfile" + bytes(600), "vhdx"),
        (b"KDMV" + bytes(600), "vmdk"),
        (bytes(1024) + b"conectix" + bytes(504), "vhd"),
        (b"conectix" + bytes(1024), "vhd"),
        (b"cosi-marker".ljust(257, b"\0") + b"ustar" + bytes(600), "cosi"),
        (
            b"cosi-marker".ljust(257, b"\0") + b"ustar\0" + bytes(761) + b"conectix" + bytes(504),
            "cosi",
        ),
        (bytes(2048), "raw"),
        (b"", "raw"),
    ],
)
def test_formats_are_told_by_their_bytes(tmp_path: Path, content: bytes, format: str) -> None:
    image = tmp_path / "image"
    image.write_bytes(content)
    assert detect_format(image) == format


def test_what_a_guest_writes_is_not_kept_in_a_vmdk(tmp_path: Path) -> None:
    image = tmp_path / "image.vmdk"
    assert "snapshot=on" in line(Machine(), Disk(image, "vmdk"))
    with pytest.raises(DockyardError) as caught:
        line(Machine(), Disk(image, "vmdk", kept=True))
    assert caught.value.problems[0].code == "vm.not-written"


def test_secure_boot_begins_with_the_keys_that_machines_have(tmp_path: Path) -> None:
    place = tmp_path / "usr/share/OVMF"
    place.mkdir(parents=True)
    for name in ("CODE_4M", "CODE_4M.secboot", "VARS_4M", "VARS_4M.ms"):
        (place / f"OVMF_{name}.fd").touch()
    assert find_firmware(tmp_path).variables.name == "OVMF_VARS_4M.fd"
    found = find_firmware(tmp_path, secure_boot=True)
    assert found.code.name == "OVMF_CODE_4M.secboot.fd"
    assert found.variables.name == "OVMF_VARS_4M.ms.fd"


def test_firmware_that_is_missing_is_a_problem(tmp_path: Path) -> None:
    with pytest.raises(DockyardError) as caught:
        find_firmware(tmp_path)
    assert caught.value.problems[0].code == "vm.no-firmware"


def test_an_iso_is_in_a_cd_drive_unless_it_is_on_a_stick(tmp_path: Path) -> None:
    image = tmp_path / "i"
    image.write_bytes(bytes(0x8001) + b"CD001" + bytes(4096))
    assert detect_format(image) == "iso"
    told = line(Machine(), Disk(image, "iso"))
    assert "scsi-cd" in told and "media=cdrom,readonly=on" in told
    told = line(Machine(bus="virtio"), Disk(image, "iso"))
    assert "virtio-blk-pci" in told and "snapshot=on" in told


def test_a_bios_has_no_firmware_of_uefi() -> None:
    assert "pflash" not in line(Machine(bios=True), Disk(Path("/i"), "raw"))


def test_what_a_network_boots_is_served_and_no_disk(tmp_path: Path) -> None:
    assert detect_format(tmp_path) == "directory"
    with pytest.raises(DockyardError, match="cannot be started"):
        line(Machine(), Disk(tmp_path, "directory"))
    (tmp_path / "bootx64.efi").touch()
    assert (detect_format(tmp_path), served_to(tmp_path)) == ("pxe-dir", Architecture.X86_64)
    told = line(Machine(), Disk(tmp_path, "pxe-dir"))
    assert f"tftp={tmp_path},bootfile=/bootx64.efi" in told and "restrict=on" in told
    assert "bootindex=1,romfile=" in told and "id=disk" not in told
    told = line(Machine(bios=True), Disk(tmp_path, "pxe-dir"))
    assert "bootfile=/pxegrub.0" in told and "romfile" not in told


def test_another_architecture_has_loaders_and_media_of_its_own(tmp_path: Path) -> None:
    machine = Machine(architecture=Architecture.AARCH64)
    (tmp_path / "bootaa64.efi").touch()
    assert (detect_format(tmp_path), served_to(tmp_path)) == ("pxe-dir", Architecture.AARCH64)
    told = line(machine, Disk(tmp_path, "pxe-dir"))
    assert f"tftp={tmp_path},bootfile=/bootaa64.efi" in told and "bootindex=1,romfile=" in told
    assert "scsi-cd" in line(machine, Disk(Path("/i"), "iso"))


def test_directories_are_shared_by_9p_as_the_caller() -> None:
    shares = (
        SharedDirectory(Path("/a,b"), "dockyard0"),
        SharedDirectory(Path("/c"), "dockyard1", read_only=True),
    )
    told = line(Machine(shares=shares), Disk(Path("/i"), "raw"))
    assert "local,security_model=none,multidevs=remap,id=share0,path=/a,,b " in told
    assert "virtio-9p-pci,fsdev=share0,mount_tag=dockyard0" in told
    assert "id=share1,path=/c,readonly=on" in told


def test_a_screen_is_seen_on_this_machine_alone_and_with_a_password() -> None:
    disk = Disk(Path("/i"), "raw")
    assert "-display none" in line(Machine(), disk)
    told = line(Machine(graphics=Graphics(5907, Path("/p/password"))), disk)
    assert "-vnc 127.0.0.1:7,password-secret=vnc" in told
    assert "secret,id=vnc,file=/p/password" in told and "-display none" not in told


def test_the_terminal_is_the_serial_port_or_a_console_of_its_own() -> None:
    disk = Disk(Path("/i"), "raw")
    alone = line(Machine(), disk)
    assert "stdio,id=console,mux=on,signal=off" in alone and "-serial chardev:console" in alone
    beside = " ".join(
        command(Machine(), disk, FIRMWARE, channels={"console": 5, "report": 6}, at_terminal=True)
    )
    assert "-chardev socket,id=console,fd=5" in beside and "-serial chardev:console" in beside
    assert "virtconsole,chardev=terminal" in beside and "stdio,id=terminal" in beside
    assert beside.count("virtio-serial-pci") == 1
