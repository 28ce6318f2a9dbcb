"""Rules that the conformance cases leave open."""

from __future__ import annotations

import pytest
from conformance import judge

from dockyard.config import parse_image
from dockyard.model.partitions import Disk

MIB = 1 << 20


def disk(text: str) -> Disk:
    loaded = parse_image(
        "storage:\n  bootType: legacy\n  disks:\n  - " + text + "\n"
        "os: {bootloader: {resetType: hard-reset}}\n"
    )
    return loaded.image.storage.disks[0]


def test_extents() -> None:
    found = disk(
        "{maxSize: 1G, partitions: [{id: a, type: bios-grub, size: 1M}, {id: b, end: 9M}, "
        "{id: c, start: 16M, size: 4M}, {id: d}]}"
    )
    assert found.extents == (
        (MIB, 2 * MIB),
        (2 * MIB, 9 * MIB),
        (16 * MIB, 20 * MIB),
        (20 * MIB, None),
    )
    assert [partition.grows for partition in found.partitions] == [False, False, False, True]
    assert found.partitions[0].size == MIB


def codes(text: str) -> list[str]:
    return [problem.code for problem in judge(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pxe: {bootstrapBaseUrl: 'http://a/b'}", []),
        ("pxe: {bootstrapBaseUrl: 'gopher://a/b'}", ["config.url"]),
        ("pxe: {bootstrapBaseUrl: 'http://[a'}", ["config.url"]),
        (
            "pxe: {bootstrapBaseUrl: 'http://a', bootstrapFileUrl: 'http://a/b'}",
            ["config.exclusive"],
        ),
        ("pxe: {bootstrapFileUrl: 'http://a', initramfsType: full-os}", ["config.exclusive"]),
        ("name: a/b", ["config.image-name"]),
        ("distro: ''", ["config.empty"]),
        ("distro: d.yaml\ninput: {image: {path: a.img}}", ["config.exclusive"]),
        ("os: {uki: {mode: modify}, selinux: {mode: enforcing}}", []),
        ("os: {uki: {mode: passthrough}, selinux: {mode: enforcing}}", ["config.uki-conflict"]),
        ("os: {users: [{name: a, startupCommand: bin/sh}]}", ["config.path-relative"]),
        ("os: {groups: [{name: a, gid: 60001}]}", ["config.out-of-range"]),
        ("os: {kernelCommandLine: {extraCommandLine: ['a b']}}", []),
        ("os: {packages: {snapshotTime: 2025-02-30}}", ["config.time"]),
        ("os: {packages: {install: [--root=/]}}", ["config.package-name"]),
        (
            "scripts: {postCustomization: [{content: x, environmentVariables: {a=b: c}}]}",
            ["config.variable-name"],
        ),
        ("os: {selinux: {mode: ''}}", []),
        ("os:\nstorage:\niso:\n", []),
    ],
)
def test_rule(text: str, expected: list[str]) -> None:
    assert codes(text) == expected


STORAGE = """\
storage:
  bootType: efi
  disks:
  - partitions:
    - {{id: esp, type: esp, size: 8M}}
    - {{id: root, size: 1G}}
    - {{id: hash, size: 100M}}
  filesystems:
  - {{deviceId: esp, type: fat32, mountPoint: /boot/efi}}
  - {{deviceId: v, type: erofs, mountPoint: {{path: /, options: 'ro'}}}}
  verity:
  - {{id: v, name: root, dataDeviceId: root, hashDeviceId: {hash}{more}}}
os: {{bootloader: {{resetType: hard-reset}}}}
"""


@pytest.mark.parametrize(
    ("hash_device", "more", "expected"),
    [
        ("hash", "", []),
        ("root", "", []),
        ("v", "", ["config.unknown-device"]),
        ("hash", ", hashSignaturePath: /boot/a.sig", []),
        ("hash", ", hashSignaturePath: /etc/a.sig", ["config.verity-signature"]),
        ("hash", ", hashSignaturePath: /boot/../a.sig", ["config.verity-signature"]),
        ("hash", ", dataDeviceMountIdType: uid", ["config.unknown-value"]),
    ],
)
def test_verity(hash_device: str, more: str, expected: list[str]) -> None:
    text = STORAGE.format(hash=hash_device, more=more)
    assert codes(text) == expected
    if not expected:
        (verity,) = parse_image(text).image.storage.verity
        assert verity.inline == (hash_device == "root")


EROFS = """\
storage:
  bootType: efi
  disks:
  - partitions:
    - {{id: esp, type: esp, size: 40M}}
    - {{id: root, size: 1G}}
  filesystems:
  - {{deviceId: esp, type: fat32, mountPoint: /boot/efi}}
  - {{deviceId: root, type: {type}, erofs: {erofs}, mountPoint: /mnt}}
os: {{bootloader: {{resetType: hard-reset}}}}
"""


@pytest.mark.parametrize(
    ("kind", "erofs", "expected"),
    [
        ("erofs", "{}", []),
        ("erofs", "{compression: zstd, level: 22}", []),
        ("erofs", "{level: 0}", ["config.erofs-level"]),
        ("erofs", "{compression: lz4, level: 3}", ["config.erofs-level"]),
        ("erofs", "{compression: gzip}", ["config.unknown-value"]),
        ("ext4", "{compression: lz4}", ["config.exclusive"]),
    ],
)
def test_the_compression_of_erofs(kind: str, erofs: str, expected: list[str]) -> None:
    assert codes(EROFS.format(type=kind, erofs=erofs)) == expected
