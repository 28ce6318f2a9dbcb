"""Devices of a guest beside its disk and network card, as options of QEMU: ports to talk over,
directories of the host, and a screen. Documented in qemu-system(1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dockyard.model.architecture import Architecture

REPORT_PORT = "dockyard.report"
_PORTS = {"report": REPORT_PORT, "output": "dockyard.output", "errors": "dockyard.errors"}


@dataclass(frozen=True, slots=True)
class SharedDirectory:
    """A directory of the host. tag: the name by which the guest mounts it."""

    directory: Path
    tag: str
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class Graphics:
    """A screen that is seen by VNC, at a port of the loopback address. password: the file that has
    its password.
    """

    port: int
    password: Path


FIRST_VNC_PORT = 5900
# VGA is the PC's.
_SCREENS = {Architecture.X86_64: "virtio-vga", Architecture.AARCH64: "virtio-gpu-pci"}


def graphics_devices(graphics: Graphics | None, architecture: Architecture) -> list[str]:
    """A screen, keyboard and pointer, or none of them."""
    if graphics is None:
        return ["-display", "none"]
    display = graphics.port - FIRST_VNC_PORT
    return [
        *("-object", f"secret,id=vnc,file={escaped(str(graphics.password))}"),
        *("-vnc", f"127.0.0.1:{display},password-secret=vnc"),
        *("-device", _SCREENS[architecture], "-device", "qemu-xhci"),
        *("-device", "usb-kbd", "-device", "usb-tablet"),
    ]


def share_devices(shares: Sequence[SharedDirectory]) -> list[str]:
    """Directories by 9p: the server is in QEMU, and does as the caller what the guest asks for."""
    argv = []
    for number, share in enumerate(shares):
        path, only = escaped(str(share.directory)), ",readonly=on" if share.read_only else ""
        kind = "local,security_model=none,multidevs=remap"
        argv += ["-fsdev", f"{kind},id=share{number},path={path}{only}"]
        argv += ["-device", f"virtio-9p-pci,fsdev=share{number},mount_tag={share.tag}"]
    return argv


def channel_devices(channels: Mapping[str, int], at_terminal: bool) -> list[str]:
    """The serial port, the monitor and the virtio ports. See `qemu.command`."""
    argv = []
    for name, descriptor in channels.items():
        argv += ["-chardev", f"socket,id={name},fd={descriptor}"]
    if "console" in channels:
        argv += ["-serial", "chardev:console"]
    if at_terminal or "console" not in channels:
        name = "terminal" if at_terminal else "console"
        argv += ["-chardev", f"stdio,id={name},mux=on,signal=off"]
        argv += ["-mon", f"chardev={name},mode=readline"]
        argv += [] if at_terminal else ["-serial", "chardev:console"]
    ports = {name: port for name, port in _PORTS.items() if name in channels}
    if ports or at_terminal:
        argv += ["-device", "virtio-serial-pci"]
    argv += ["-device", "virtconsole,chardev=terminal"] if at_terminal else []
    for name, port in ports.items():
        argv += ["-device", f"virtserialport,chardev={name},name={port}"]
    if "monitor" in channels:
        argv += ["-mon", "chardev=monitor,mode=control"]
    return argv


def escaped(text: str) -> str:
    """A value inside one of QEMU's comma-separated options."""
    return text.replace(",", ",,")
