"""The command line of QEMU: a machine with UEFI firmware or a BIOS, one disk or CD, one network
card, and nothing that is not asked for. It is a q35 for x86_64, and a virt for aarch64.

The disk is opened with `snapshot=on` unless it is to be kept: what the guest writes goes to a
temporary file and the image never changes. Options are documented in qemu-system(1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from dockyard.errors import DockyardError, Problem
from dockyard.model.architecture import Architecture
from dockyard.vm.devices import (
    Graphics,
    SharedDirectory,
    channel_devices,
    escaped,
    graphics_devices,
    share_devices,
)

MEBIBYTE = 1 << 20

# Where distributions put edk2's firmware and its empty variable store.
_FIRMWARE = {
    Architecture.X86_64: (
        ("usr/share/OVMF/OVMF_CODE_4M.fd", "usr/share/OVMF/OVMF_VARS_4M.fd"),
        ("usr/share/edk2/ovmf/OVMF_CODE_4M.fd", "usr/share/edk2/ovmf/OVMF_VARS_4M.fd"),
        ("usr/share/edk2/ovmf/OVMF_CODE.fd", "usr/share/edk2/ovmf/OVMF_VARS.fd"),
    ),
    Architecture.AARCH64: (
        ("usr/share/AAVMF/AAVMF_CODE.no-secboot.fd", "usr/share/AAVMF/AAVMF_VARS.fd"),
        ("usr/share/AAVMF/AAVMF_CODE.fd", "usr/share/AAVMF/AAVMF_VARS.fd"),
    ),
}
# Its stores have Microsoft's keys, as machines have that are sold.
# That of aarch64 holds its keys no better than the other: QEMU has no secure world for it there.
_SECURE_FIRMWARE = {
    Architecture.X86_64: (
        ("usr/share/OVMF/OVMF_CODE_4M.secboot.fd", "usr/share/OVMF/OVMF_VARS_4M.ms.fd"),
        ("usr/share/edk2/ovmf/OVMF_CODE.secboot.fd", "usr/share/edk2/ovmf/OVMF_VARS.secboot.fd"),
    ),
}

# The driver of QEMU, with its options, for each format of ours. A fixed VHD has its true size in
# the footer; QEMU would round it down to the geometry's.
_DRIVERS = {
    "raw": "format=raw",
    "qcow2": "format=qcow2",
    "vhd": "format=vpc,force_size_calc=current_size",
    "vhd-fixed": "format=vpc,force_size_calc=current_size",
    "vhdx": "format=vhdx",
    "vmdk": "format=vmdk",
    "iso": "format=raw",
    "pxe-dir": "",  # no disk: the firmware boots from the network
}
_NOT_WRITTEN = ("vmdk",)
_ISO_MAGIC_AT = 0x8001
NETWORK_BOOT = "pxe-dir"
# What firmware asks the network for: by BIOS, and by UEFI.
_FOR_BIOS = "pxegrub.0"
_LOADERS = (_FOR_BIOS, *(each.names.served_loader for each in Architecture))
_BUSES_OF_PC = ("sata",)
_BUSES = {
    "virtio": "virtio-blk-pci,drive=disk,bootindex=1",
    "nvme": "nvme,drive=disk,serial=dockyard,bootindex=1",
    "sata": "ide-hd,drive=disk,bootindex=1",
    "cdrom": "scsi-cd,drive=disk,bootindex=1",
}


# Without nested virtualization, for which the guest would load KVM; with instructions for SHA-256,
# which are translated to a function of the host's own, quicker than what they replace.
_PLAIN_PROCESSOR = {
    Architecture.X86_64: "qemu64,-svm,+ssse3,+sse4.1,+sha-ni",
    Architecture.AARCH64: "cortex-a57",
}
# Where nothing is attached: the guest would load drivers for it all the same, and try every port.
_WITHOUT = {"q35": ("smbus=off", "i8042=off", "sata=off")}


class Accel(StrEnum):
    """How the guest's processor is run: by the host's, or by translation."""

    KVM = "kvm"
    TCG = "tcg"


@dataclass(frozen=True, slots=True)
class Forward:
    """A TCP port of the host's loopback address that leads to a port of the guest's."""

    host: int
    guest: int


@dataclass(frozen=True, slots=True)
class Machine:
    """The hardware of a guest.

    memory: bytes. cpu: a processor model of QEMU's; empty for the one that suits the accelerator:
    the host's under KVM, and a plain one under TCG, where most features are paid for in time.
    bus: what the disk is attached to; empty for a CD drive where the image is an ISO, else virtio.
    bios: started by a BIOS, not by UEFI firmware. shares: directories of the host that the guest
    may mount. graphics: a screen, keyboard and pointer.
    network: whether the network card has a way out; without, DHCP answers it and nobody else, but
    for what `forwards` lead in.
    """

    accel: Accel = Accel.TCG
    memory: int = 2048 * MEBIBYTE
    cpus: int = 2
    cpu: str = ""
    bus: str = ""
    network: bool = False
    forwards: tuple[Forward, ...] = ()
    secure_boot: bool = False
    architecture: Architecture = Architecture.X86_64
    bios: bool = False
    shares: tuple[SharedDirectory, ...] = ()
    graphics: Graphics | None = None

    @property
    def serial(self) -> str:
        """What Linux calls its serial port."""
        return self.architecture.names.serial


@dataclass(frozen=True, slots=True)
class Disk:
    """A disk image and its format; kept: whether what the guest writes stays in it."""

    path: Path
    format: str
    kept: bool = False


@dataclass(frozen=True, slots=True)
class Firmware:
    """UEFI code, as a path inside the tools tree's sandbox, and a store of variables."""

    code: Path
    variables: Path


def find_firmware(
    tools_root: Path, secure_boot: bool = False, architecture: Architecture = Architecture.X86_64
) -> Firmware:
    """The firmware of a tools tree for machines of an architecture: code as the sandbox sees it,
    variables as the host sees them.

    Raises DockyardError when the tree has none.
    """
    known = _SECURE_FIRMWARE if secure_boot else _FIRMWARE
    for code, variables in known.get(architecture, ()):
        if (tools_root / code).is_file() and (tools_root / variables).is_file():
            return Firmware(Path("/") / code, tools_root / variables)
    if secure_boot and architecture not in known:
        what = f"the tools have no UEFI firmware for {architecture} that does Secure Boot"
        fix = f"boot it without --secure-boot; what has it: {', '.join(map(str, known))}"
        raise DockyardError(Problem("vm.no-secure-boot", what, fix=fix))
    raise DockyardError(
        Problem(
            code="vm.no-firmware",
            what=f"the tools tree has no UEFI firmware for {architecture}"
            + (" with Secure Boot" if secure_boot else ""),
            where=str(tools_root),
            fix="fetch the tools again: dockyard tools fetch",
        )
    )


def copy_writable(variables: Path, target: Path) -> None:
    """Copy a store of variables for one guest to write to."""
    target.write_bytes(variables.read_bytes())


def check_format(disk: Disk) -> None:
    """Raise DockyardError when QEMU cannot start a disk of this format, or cannot keep in it what
    is to be kept.
    """
    if disk.format not in _DRIVERS:
        raise DockyardError(
            Problem(
                code="vm.format-not-bootable",
                what=f"an image of format {disk.format} cannot be started",
                where=str(disk.path),
                fix=f"boot one of these formats: {', '.join(sorted(_DRIVERS))}; `dockyard convert` "
                "makes one of another",
            )
        )
    if disk.kept and disk.format in _NOT_WRITTEN:
        raise DockyardError(
            Problem(
                code="vm.not-written",
                what=f"what a guest writes cannot be kept in an image of format {disk.format}",
                where=str(disk.path),
                why="its data are compressed, one behind the other",
                fix="leave --persist away, or convert the image: dockyard convert "
                "--output-image-format qcow2",
            )
        )


def detect_format(path: Path) -> str:
    """The format of a disk image by its first and last bytes; raw when they name no other. A
    directory is what a network boots, where it has a loader.
    """
    if path.is_dir():
        served = any((path / name).is_file() for name in _LOADERS)
        return NETWORK_BOOT if served else "directory"
    with path.open("rb") as file:
        begin = file.read(512)
        head = begin[:8]
        size = file.seek(0, 2)
        file.seek(max(0, size - 512))
        foot = file.read(8)
        file.seek(_ISO_MAGIC_AT)
        magic = file.read(5)
    if head.startswith(b"QFI\xfb"):
        return "qcow2"
    if head == b"vhdxfile":
        return "vhdx"
    if head.startswith(b"KDMV"):
        return "vmdk"
    if begin.startswith(b"cosi-marker\0") and begin[257:262] == b"ustar":
        return "cosi"  # a baremetal-image, too, whatever its footer says
    if b"conectix" in (head, foot):
        return "vhd"
    return "iso" if magic == b"CD001" else "raw"


def served_to(directory: Path) -> Architecture:
    """The architecture of the machines that a directory is served to, by the loader in it."""
    found = (each for each in Architecture if (directory / each.names.served_loader).is_file())
    return next(found, Architecture.X86_64)


def command(
    machine: Machine,
    disk: Disk | None,
    firmware: Firmware,
    *,
    channels: Mapping[str, int],
    smbios: Sequence[str] = (),
    at_terminal: bool = False,
) -> list[str]:
    """QEMU's command line.

    channels: descriptors of connected sockets: `console` (the serial port; without it the terminal
    is the console), `monitor` (QMP), and virtio ports in the guest: `report`, `output`, `errors`.
    at_terminal: whether the terminal is a virtio console, apart from the serial port. smbios:
    values of the SMBIOS type 11 table, which the guest's systemd reads as credentials.
    """
    _require_possible(machine)
    argv = [
        machine.architecture.names.emulator,
        "-nodefaults",
        "-no-user-config",
        *graphics_devices(machine.graphics, machine.architecture),
    ]
    argv += _processor(machine)
    argv += [] if machine.bios else _firmware(machine, firmware)
    served = disk.path if disk and disk.format == NETWORK_BOOT else None
    argv += _disk(machine, disk) if disk and not served else []
    argv += ["-device", "virtio-rng-pci", "-device", "pvpanic-pci"]
    argv += _network(machine, served)
    argv += share_devices(machine.shares)
    argv += channel_devices(channels, at_terminal)
    for value in smbios:
        argv += ["-smbios", f"type=11,value={escaped(value)}"]
    return argv


def _require_possible(machine: Machine) -> None:
    """Raise DockyardError for what only a PC has."""
    if machine.architecture is Architecture.X86_64:
        return
    asked = {"a BIOS": machine.bios, f"the bus {machine.bus}": machine.bus in _BUSES_OF_PC}
    for what in (name for name, wanted in asked.items() if wanted):
        raise DockyardError(
            Problem(
                code="vm.not-this-machine",
                what=f"a machine for {machine.architecture} has not {what}",
                fix="start it by UEFI firmware, with the disk at virtio",
            )
        )


def _processor(machine: Machine) -> list[str]:
    plain = _PLAIN_PROCESSOR[machine.architecture]
    model = machine.cpu or ("host" if machine.accel is Accel.KVM else plain)
    board = machine.architecture.names.board
    bus = machine.bus or "virtio"
    options = [board, *(each for each in _WITHOUT.get(board, ()) if bus not in each)]
    options += ["smm=on"] if machine.secure_boot else []
    return [
        *("-machine", ",".join(options), "-accel", machine.accel.value, "-cpu", model),
        *("-smp", str(machine.cpus), "-m", f"{machine.memory // MEBIBYTE}M"),
    ]


def _firmware(machine: Machine, firmware: Firmware) -> list[str]:
    code, variables = escaped(str(firmware.code)), escaped(str(firmware.variables))
    argv = ["-drive", f"if=pflash,format=raw,unit=0,readonly=on,file={code}"]
    argv += ["-drive", f"if=pflash,format=raw,unit=1,file={variables}"]
    if machine.secure_boot:
        argv += ["-global", "driver=cfi.pflash01,property=secure,value=on"]
    return argv


def _disk(machine: Machine, disk: Disk) -> list[str]:
    check_format(disk)
    bus = machine.bus or ("cdrom" if disk.format == "iso" else "virtio")
    snapshot = "off" if disk.kept else "on"
    changes = f"snapshot={snapshot},cache=unsafe"
    controller: list[str] = []
    if bus == "cdrom":
        changes, controller = "media=cdrom,readonly=on", ["-device", "virtio-scsi-pci"]
    where = f"if=none,id=disk,{changes},{_DRIVERS[disk.format]}"
    path = escaped(str(disk.path))
    return [*controller, "-drive", f"{where},file={path}", "-device", _BUSES[bus]]


def _network(machine: Machine, served: Path | None) -> list[str]:
    """served: a directory that is served by TFTP, for the firmware to boot from."""
    lines = "".join(f",hostfwd=tcp:127.0.0.1:{f.host}-:{f.guest}" for f in machine.forwards)
    restrict = "off" if machine.network else "on"
    # Without an option ROM the firmware does not try to boot from the network.
    card = "virtio-net-pci,netdev=net,romfile="
    if served is not None:
        loader = _FOR_BIOS if machine.bios else machine.architecture.names.served_loader
        lines += f",tftp={escaped(str(served))},bootfile=/{loader}"
        # A BIOS has no driver of its own.
        card = f"virtio-net-pci,netdev=net,bootindex=1{'' if machine.bios else ',romfile='}"
    return ["-netdev", f"user,id=net,restrict={restrict}{lines}", "-device", card]
