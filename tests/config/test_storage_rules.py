"""Rules that the conformance cases leave open."""

from __future__ import annotations

import pytest
from conformance import judge

from dockyard.config import parse_image
from dockyard.model.image import InjectFilesConfig
from dockyard.model.mount_options import unknown_options
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


@pytest.mark.parametrize(
    ("label", "good"),
    [('"a b, $c/#"', True), ('"x\'y"', False), ("'a\"b'", False), ("'a\\040b'", False)],
)
def test_a_label_that_quotes_others_names_no_mount(label: str, good: bool) -> None:
    text = (
        "{storage: {bootType: efi, disks: [{partitions: [{id: esp, type: esp, size: 64M}, "
        f"{{id: root, size: 1G, label: {label}}}]}}], filesystems: "
        "[{deviceId: esp, type: vfat, mountPoint: /boot/efi}, "
        "{deviceId: root, type: ext4, mountPoint: {path: /, idType: part-label}}]}, "
        "os: {bootloader: {resetType: hard-reset}}}"
    )
    assert codes(text) == ([] if good else ["config.partition-label"])
    assert codes(text.replace("part-label", "uuid")) == []


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
        ("hash", ", hashDeviceMountIdType: uid", ["config.unknown-value"]),
        ("hash", ", dataDeviceMountIdType: part-uuid, hashDeviceMountIdType: uuid", []),
        ("hash", ", dataDeviceMountIdType: part-label", ["config.partition-label"]),
        ("hash", ", hashDeviceMountIdType: part-label", ["config.partition-label"]),
        ("root", ", hashDeviceMountIdType: part-label", ["config.partition-label"]),
        ("hash", ", corruptionOption: explode", ["config.unknown-value"]),
        ("hash", ", corruptionOption: restart", []),
        ("hash", ", dataDevice: {idType: part-label, id: x}", 3 * ["config.exclusive"]),
    ],
)
def test_verity(hash_device: str, more: str, expected: list[str]) -> None:
    text = STORAGE.format(hash=hash_device, more=more)
    assert codes(text) == expected
    if not expected:
        (verity,) = parse_image(text).image.storage.verity
        assert verity.inline == (hash_device == "root")


LABELS = """\
storage:
  bootType: efi
  disks:
  - partitions:
    - {{id: esp, type: esp, size: 8M, label: esp}}
    - {{id: root, size: 1G, label: {label!r}}}
    - {{id: hash, size: 100M, label: hash}}
  filesystems:
  - {{deviceId: esp, type: fat32, mountPoint: /boot/efi}}
  - {{deviceId: v, type: erofs, mountPoint: {{path: /, options: 'ro'}}}}
  verity:
  - {{id: v, name: root, dataDeviceId: root, hashDeviceId: hash, dataDeviceMountIdType: part-label}}
os: {{bootloader: {{resetType: hard-reset}}}}
"""


@pytest.mark.parametrize(
    ("label", "good"), [("root", True), ("my root", True), ("hash", False), ('a"b', False)]
)
def test_a_label_on_the_command_line_names_one_partition(label: str, good: bool) -> None:
    assert codes(LABELS.format(label=label)) == ([] if good else ["config.partition-label"])


EXISTING = """\
storage:
  verity:
  - id: v
    name: {name}
    dataDevice: {data}
    hashDevice: {hash}
"""


@pytest.mark.parametrize(
    ("name", "data", "hash_device", "expected"),
    [
        ("usr", "{idType: part-label, id: a}", "{idType: part-label, id: b}", []),
        ("usr", "{id: a}", "{id: b}", []),
        ("data", "{id: a}", "{id: b}", ["config.verity-name"]),
        ("usr", "{idType: bogus, id: a}", "{id: b}", ["config.unknown-value"]),
        ("usr", "{id: a}", "{idType: part-uuid, id: b}", ["config.unknown-value"]),
        ("usr", "{id: ''}", "{id: b}", ["config.required"]),
        ("usr", "{id: a}", "{idType: part-label}", ["config.required"]),
    ],
)
def test_verity_of_existing_partitions(
    name: str, data: str, hash_device: str, expected: list[str]
) -> None:
    assert codes(EXISTING.format(name=name, data=data, hash=hash_device)) == expected


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


DISK = """\
storage:
  bootType: efi
  disks:
  - partitionTableType: gpt
    partitions:
    - {id: esp, type: esp, size: 64M}
    - {id: root, label: root, size: 1G}
    - {id: data, size: 1M}
  filesystems:
  - {deviceId: esp, type: vfat, mountPoint: /boot/efi}
  - {deviceId: root, type: ext4, mountPoint: /}
"""
BOOT = "os: {bootloader: {resetType: hard-reset}, kernelCommandLine: {extraCommandLine: [%s]}}\n"
URL = "pxe: {bootstrapBaseUrl: %s}"
OCI = "input: {image: {oci: %s}}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # As Image Customizer has it: refused
        (DISK + "  - {deviceId: data, type: ext4, mountPoint: '/a,b'}\n", "config.path-characters"),
        (DISK + "  - {deviceId: data, type: ext4, mountPoint: '/a:b'}\n", "config.path-characters"),
        ("storage: {verity: [{id: v, name: usr, hashSignaturePath: '/boot/a,b', "
         "dataDevice: {id: d}, hashDevice: {id: h}}]}", "config.path-characters"),
        (URL % "'http://a/b c'", "config.url"),
        (URL % '"http://a/b\\n"', "config.url"),
        (URL % "http://a/b%zz", "config.url"),
        (URL % "http://a:b/c", "config.url"),
        (URL % "http://a/b%20c", ""),
        ("os: {users: [{name: a, password: {}}]}", "config.required"),
        ("os: {users: [{name: a, password: {type: ''}}]}", "config.unknown-value"),
        ("iso: {kdumpBootFiles: ''}", "config.unknown-value"),
        ("os: {hostname: 10.0.0.1}", "config.hostname"),
        (OCI % ("r.example/a@sha256:" + "a" * 63), "config.oci-reference"),
        (OCI % ("r.example/a@sha512:" + "a" * 64), "config.oci-reference"),
        (OCI % ("r.example/a@sha256:" + "a" * 64), ""),
        ("os: {packages: {removePackageManager: true}}\noutput: {image: {format: cosi}}",
         "config.exclusive"),
        ("os: {packages: {removePackageManager: true}}\noutput: {image: {format: vhdx}}", ""),
        (DISK.replace("id: root, label: root, size: 1G", "id: r, size: 1M")
         .replace("{deviceId: root,", "{deviceId: v,").replace("mountPoint: /}",
         "mountPoint: {path: /, options: ro}}")
         + "  verity: [{id: v, name: root, dataDeviceId: r, hashDeviceId: r}]\n" + BOOT % "",
         "config.partition-size"),
        # As Image Customizer has it: accepted
        (OCI % "{uri: r.example/a, platform: {architecture: arm/v7}}", ""),
        (OCI % "{uri: r.example/a, platform: linux/arm/v7}", "config.oci-platform"),
        (OCI % "a/b", ""),
        (OCI % "'[::1]:5000/a'", ""),
        (OCI % "r_x.io/a", ""),
        ("os: {packages: {updateExistingPackages: Yes, removePackageManager: NO}}", ""),
        ("os: {packages: {updateExistingPackages: On}}", ""),
        ("os: {overlays: [{upperDir: /u, workDir: /w, mountPoint: /m}]}", ""),
        ("os: {users: [{name: a, sshPublicKeys: [any text, '']}]}", ""),
        # What would not boot, or not be there
        (DISK + "  - {deviceId: data, type: ext4, mountPoint: /etc}\n", "config.mount-place"),
        (DISK + "  - {deviceId: data, type: ext4, mountPoint: /var/run/}\n", "config.mount-place"),
        (DISK + "  - {deviceId: data, type: ext4, mountPoint: /usr}\n" + BOOT % "", ""),
        (DISK + "  - {deviceId: data, type: ext4, mountPoint: /var}\n" + BOOT % "", ""),
        (DISK.replace("mountPoint: /boot/efi",
         "mountPoint: {path: /boot/efi, options: unmask=077}"),
         "config.mount-options"),
        (DISK.replace("mountPoint: /boot/efi",
         "mountPoint: {path: /boot/efi, options: 'fmask=0077,umask=u=rwx'}"),
         "config.mount-options"),
        (DISK.replace("mountPoint: /}", "mountPoint: {path: /, options: 'rw,noatime,data=ordered,"
         "x-systemd.growfs,discard'}}") + BOOT % "", ""),
        (DISK.replace("ext4, mountPoint: /}", "xfs, mountPoint: {path: /, options: noattr3}}"),
         "config.mount-options"),
        (DISK.replace("ext4, mountPoint: /}",
         "btrfs, mountPoint: {path: /, options: compres=zstd}}"),
         "config.mount-options"),
        (DISK + BOOT % "root=/dev/vda2", "config.root-argument"),
        (DISK + BOOT % "'quiet rootfstype=xfs'", "config.root-argument"),
        (DISK + BOOT % "root=PARTLABEL=root", ""),
        (DISK + BOOT % "rootwait", ""),
        (f"os: {{hostname: {'a' * 60}.bcd}}", ""),
        (f"os: {{hostname: {'a' * 60}.bcde}}", "config.hostname"),
        ("os: {additionalFiles: [{content: x, destination: /run/x}]}", "config.path-not-kept"),
        ("os: {additionalDirs: [{source: x, destination: /dev}]}", "config.path-not-kept"),
        ("os: {additionalFiles: [{content: x, destination: /runner/x}]}", ""),
        ("os: {additionalFiles: [{content: x, destination: /a}, {content: y, destination: //a/}]}",
         "config.duplicate"),
    ],
)  # fmt: skip
def test_what_is_refused_and_what_is_not(text: str, expected: str) -> None:
    found = codes(text)
    assert expected in found if expected else not found, judge(text)


@pytest.mark.parametrize(
    ("kind", "options", "fix"),
    [
        ("ext4", "noacl", "did you mean 'acl'?"),
        ("ext4", "nodioread_nolock,nobh,auto_da_alloc,auto_da_alloc=0", None),
        ("ext4", "discard=async", "write 'discard'"),
        ("ext4", "commit", "write 'commit=…'"),
        ("xfs", "max_open_zones=4", "remove 'max_open_zones'"),
        ("btrfs", "space_cache=v2,discard=async,compress,ro=recursive,shared", None),
        ("btrfs", "space_cache=v1", "write 'space_cache=v2'"),
        ("btrfs", "barrier=0", "write 'barrier'"),
        ("vfat", "dotsOK=no", "remove 'dotsOK'"),
        ("vfat", "utf8=1,user=one,nofail,x-systemd.automount,X-mount.mkdir,comment=a", None),
        ("erofs", "fsoffset=4096", "remove 'fsoffset'"),
    ],
)
def test_mount_options_are_those_that_the_kernel_takes(
    kind: str, options: str, fix: str | None
) -> None:
    assert [it.fix for it in unknown_options(options, kind)] == ([fix] if fix else [])


def test_an_injected_file_needs_its_partition() -> None:
    text = "injectFiles: [{source: a, destination: /a}]\n"
    assert [it.what for it in judge(text, InjectFilesConfig)] == ["the file has no `partition`"]
