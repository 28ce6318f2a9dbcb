"""A small root tree with just what an initrd is made of: real formats, empty programs.

Two layouts: Debian's (multiarch libraries, /usr/sbin a folder) and Fedora's (/usr/lib64, /usr/sbin
a link to bin).
"""

from __future__ import annotations

import json
import lzma
import os
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

KERNEL = "6.12.0-test"
INTERPRETER = "/lib64/ld-linux-x86-64.so.2"


def elf(
    needed: Sequence[str] = (),
    *,
    runpath: str = "",
    interpreter: str = "",
    soname: str = "",
    dlopen: Sequence[Mapping[str, object]] = (),
    modinfo: Sequence[str] = (),
) -> bytes:
    """A 64-bit little-endian ELF file with the dynamic section, notes and `.modinfo` that are
    asked for; its addresses are its offsets.
    """
    strings = bytearray(b"\0")

    def text(value: str) -> int:
        strings.extend(value.encode() + b"\0")
        return len(strings) - 1 - len(value)

    tags = [(1, text(name)) for name in needed]
    tags += [(14, text(soname))] if soname else []
    tags += [(29, text(runpath))] if runpath else []
    notes = b""
    for note in dlopen:
        body = json.dumps([note]).encode() + b"\0"
        notes += struct.pack("<III", 4, len(body), 0x407C0C0A) + b"FDO\0" + body
        notes += bytes(-len(body) % 4)
    names = b"\0.note.dlopen\0.modinfo\0.shstrtab\0"
    info = "\0".join((*modinfo, "")).encode()
    out = bytearray(64 + 3 * 56)
    places = {}
    for name, data in (
        ("interp", interpreter.encode() + b"\0"),
        ("strings", bytes(strings)),
        ("notes", notes),
        ("info", info),
        ("names", names),
    ):
        out += bytes(-len(out) % 8)
        places[name] = (len(out), len(data))
        out += data
    out += bytes(-len(out) % 8)
    tags += [(5, places["strings"][0]), (10, places["strings"][1]), (0, 0)]
    dynamic = (len(out), 16 * len(tags))
    out += b"".join(struct.pack("<qQ", *tag) for tag in tags)
    sections = len(out)
    for name_at, kind, key in ((0, 0, ""), (1, 7, "notes"), (14, 1, "info"), (23, 3, "names")):
        at, size = places.get(key, (0, 0))
        out += struct.pack("<IIQQQQIIQQ", name_at, kind, 0, 0, at, size, 0, 0, 0, 0)
    segments = [(1, 0, len(out)), (2, *dynamic)]
    segments += [(3, *places["interp"])] if interpreter else []
    for number, (kind, at, size) in enumerate(segments):
        struct.pack_into("<IIQQQQQQ", out, 64 + 56 * number, kind, 5, at, at, at, size, size, 8)
    out[:6] = b"\x7fELF\x02\x01"
    struct.pack_into("<QQ", out, 32, 64, sections)
    struct.pack_into("<HHHHH", out, 54, 56, len(segments), 64, 4, 3)
    return bytes(out)


@dataclass(frozen=True)
class Layout:
    """Where a family of distributions keeps things."""

    libraries: str
    sbin_is_link: bool
    os_release: str


DEBIAN = Layout("usr/lib/x86_64-linux-gnu", False, 'ID=harbor\nID_LIKE="debian"\n')
FEDORA = Layout("usr/lib64", True, "ID=fedora\n")

_UNITS = "usr/lib/systemd/system"
_TARGETS = (
    *("initrd", "initrd-fs", "initrd-root-device", "initrd-root-fs", "initrd-usr-fs"),
    *("initrd-switch-root", "basic", "sysinit", "local-fs", "local-fs-pre", "paths", "slices"),
    *("sockets", "timers", "swap", "emergency", "rescue", "shutdown", "umount", "final"),
    *("poweroff", "reboot", "halt"),
)
_SERVICES = {
    "initrd-cleanup": "ExecStart=systemctl --no-block isolate initrd-switch-root.target",
    "initrd-parse-etc": "ExecStart=/usr/lib/systemd/systemd-sysroot-fstab-check",
    "initrd-switch-root": "ExecStart=systemctl --no-block switch-root",
    "initrd-udevadm-cleanup-db": "ExecStart=-udevadm info --cleanup-db",
    "emergency": "ExecStartPre=-plymouth quit\nExecStart=-/usr/lib/systemd/sulogin-shell",
    "rescue": "ExecStart=-/usr/lib/systemd/sulogin-shell",
    "systemd-poweroff": "",
    "systemd-reboot": "",
    "systemd-halt": "",
    "systemd-fsck@": "ExecStart=/usr/lib/systemd/systemd-fsck %f",
    "systemd-fsck-root": "ExecStart=/usr/lib/systemd/systemd-fsck",
    "systemd-growfs@": "",
    "systemd-growfs-root": "",
    "modprobe@": "ExecStart=-/sbin/modprobe -abq %i",
    "systemd-modules-load": "",
    "debug-shell": "",
    "systemd-journald": "Sockets=systemd-journald.socket \\\n  systemd-journald-audit.socket",
    "systemd-udevd": "Sockets=systemd-udevd-control.socket systemd-udevd-varlink.socket",
    "systemd-udev-trigger": "ExecStart=-udevadm trigger",
    "getty@": "ExecStart=/sbin/agetty",
}
_SOCKETS = (
    *("systemd-journald", "systemd-journald-dev-log", "systemd-journald-audit"),
    *("systemd-udevd-control", "systemd-udevd-kernel", "systemd-udevd-varlink"),
)


def make(root: Path, layout: Layout = DEBIAN, *, reverse: bool = False) -> Path:
    """Make the tree. reverse: create its files in the other order, with other times."""
    files = _files(layout)
    links = _links(layout)
    for folder in (
        "usr/bin",
        "usr/lib",
        "usr/lib64",
        "etc",
        *(() if layout.sbin_is_link else ("usr/sbin",)),
    ):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for name, target in sorted(links.items(), reverse=reverse):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(target)
    for number, (name, data) in enumerate(sorted(files.items(), reverse=reverse)):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        path.chmod(
            0o755 if "bin/" in name or "/systemd/systemd" in name else 0o600 + number % 2 * 4
        )
        os.utime(path, (number, number * (7 if reverse else 3)))
    return root


def _links(layout: Layout) -> dict[str, str]:
    links = {
        "bin": "usr/bin",
        "sbin": "usr/sbin",
        "lib": "usr/lib",
        "lib64": "usr/lib64",
        "etc/os-release": "../usr/lib/os-release",
        "usr/bin/sh": "dash",
        "usr/bin/modprobe": "kmod",
        f"{_UNITS}/ctrl-alt-del.target": "reboot.target",
        f"{_UNITS}/sysinit.target.wants/systemd-udevd.service": "../systemd-udevd.service",
        f"{_UNITS}/sysinit.target.wants/getty@tty1.service": "../getty@.service",
    }
    if layout.sbin_is_link:
        links["usr/sbin"] = "bin"
    return links


def _files(layout: Layout) -> dict[str, bytes]:
    libc = ["libc.so.6"]
    shared = "usr/lib/systemd" if layout.sbin_is_link else f"{layout.libraries}/systemd"
    program = elf(libc, interpreter=INTERPRETER)
    systemd = elf(
        ["libsystemd-core.so", "libsystemd-shared.so", *libc],
        interpreter=INTERPRETER,
        runpath=f"/{shared}",
    )
    files = {
        "usr/lib/os-release": layout.os_release.encode(),
        "etc/group": b"root:x:0:\ndisk:x:6:\nstaff:x:50:\n",
        "usr/lib64/ld-linux-x86-64.so.2": elf(soname="ld-linux-x86-64.so.2"),
        f"{layout.libraries}/libc.so.6": elf(["ld-linux-x86-64.so.2"], soname="libc.so.6"),
        f"{layout.libraries}/libkmod.so.2": elf(["libzstd.so.1", *libc]),
        "opt/vendor/libzstd.so.1": elf(libc),
        "etc/ld.so.conf.d/vendor.conf": b"# vendor\n/opt/vendor\n",
        f"{shared}/libsystemd-core.so": elf(["libsystemd-shared.so", *libc]),
        f"{shared}/libsystemd-shared.so": elf(libc, dlopen=_dlopen()),
        "usr/lib/systemd/systemd": systemd,
        "usr/lib/udev/ata_id": program,
        "usr/bin/mount": b"#!/bin/sh\n",
        "etc/modprobe.d/site.conf": b"options loop max_loop=4\n",
        **_units(),
        **_rules(),
        **modules(),
    }
    for name in ("systemctl", "udevadm", "kmod", "umount", "dash", "fsck", "fsck.ext4", "agetty"):
        files[f"usr/bin/{name}"] = program
    for name in (
        "systemd-shutdown",
        "systemd-fsck",
        "systemd-sysroot-fstab-check",
        "sulogin-shell",
    ):
        files[f"usr/lib/systemd/{name}"] = program
    files["usr/lib/systemd/system-generators/systemd-fstab-generator"] = program
    return files


def _dlopen() -> list[dict[str, object]]:
    return [
        {"feature": "kmod", "priority": "recommended", "soname": ["libkmod.so.2"]},
        {"feature": "cryptsetup", "priority": "suggested", "soname": ["libcryptsetup.so.12"]},
        {"feature": "bpf", "priority": "suggested", "soname": ["libbpf.so.1"]},
    ]


def _units() -> dict[str, bytes]:
    folder = _UNITS
    units = {f"{folder}/{name}.target": b"[Unit]\nWants=getty@tty1.service\n" for name in _TARGETS}
    for name, text in _SERVICES.items():
        units[f"{folder}/{name}.service"] = f"[Service]\n{text}\n".encode()
    for name in _SOCKETS:
        units[f"{folder}/{name}.socket"] = b"[Socket]\n"
    units[f"{folder}/systemd-udevd.service.d/site.conf"] = b"[Service]\nExecStartPre=/usr/bin/sh\n"
    return units


def _rules() -> dict[str, bytes]:
    folder = "usr/lib/udev/rules.d"
    disk = b'IMPORT{program}="ata_id --export $devnode"\nRUN+="/usr/sbin/absent -x"\n'
    return {
        f"{folder}/50-udev-default.rules": b'SUBSYSTEM=="block", GROUP="disk"\n',
        f"{folder}/60-persistent-storage.rules": disk,
        f"{folder}/80-drivers.rules": b'RUN{builtin}+="kmod load"\n',
        f"{folder}/99-systemd.rules": b"",
        f"{folder}/70-mouse.rules": b"",
    }


def modules() -> dict[str, bytes]:
    """Kernel modules, compressed in three ways, and what depmod writes about them."""
    folder = f"usr/lib/modules/{KERNEL}"
    virtio = elf(modinfo=["alias=virtio:d00000002v*", "alias=block-[a-c]-dev", "license=GPL"])
    loop = elf(modinfo=["alias=block-major-7-*", "softdep=pre: hash-alias post: absent"])
    return {
        f"{folder}/kernel/virtio_blk.ko.xz": lzma.compress(virtio),
        f"{folder}/kernel/loop.ko": loop,
        f"{folder}/kernel/hash_generic.ko": elf(modinfo=["alias=hash-alias"]),
        f"{folder}/kernel/dm-mod.ko": elf(modinfo=["name=dm_mod"]),
        f"{folder}/kernel/dm-verity.ko": elf(modinfo=["depends=dm-mod"]),
        f"{folder}/modules.dep": (
            b"kernel/virtio_blk.ko.xz:\nkernel/loop.ko:\nkernel/hash_generic.ko:\n"
            b"kernel/dm-mod.ko:\nkernel/dm-verity.ko: kernel/dm-mod.ko\n"
        ),
        f"{folder}/modules.alias": b"# comment\nalias hash-alias hash_generic\nalias x:* loop\n",
        f"{folder}/modules.builtin": b"kernel/fs/ext4/ext4.ko\nkernel/virtio-pci.ko\n",
        f"{folder}/modules.builtin.modinfo": b"ext4.alias=fs-ext4\0ext4.license=GPL\0",
    }
