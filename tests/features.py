"""The features that images are customized by, and which test shows each of them on what.

A test says with `covers` what it shows. From what pytest collects, `scripts/draw_features.py` makes
docs/reference/features.md; a feature that no built image shows is an error.
"""

from __future__ import annotations

import pytest

FEATURES = {
    "input.image, raw": "a raw disk is customized",
    "input.image, qcow2": "a qcow2 disk is customized",
    "input.image, vhd": "a dynamic or fixed VHD is customized",
    "input.image, vhdx": "a VHDX is customized",
    "input.image, cosi": "a COSI file is customized",
    "input.image, iso": "a live ISO is customized",
    "input.image.oci": "an image of a registry is customized",
    "images of others": "images that other tools made are customized",
    "baseConfigs": "files that build on others",
    "storage.disks": "the disk is laid out anew",
    "storage.bootType, legacy": "a disk that a BIOS starts",
    "storage.filesystems, btrfs subvolumes": "subvolumes, with quotas",
    "storage.filesystems, swap": "swap space",
    "storage.resetPartitionsUuidsType": "new ids for all that has one",
    "storage.verity, root": "a root that dm-verity checks",
    "storage.verity, usr": "a /usr that dm-verity checks",
    "storage.verity, inline": "data and hash tree on one partition",
    "storage.verity, signature": "a root hash that was signed outside",
    "storage.reinitializeVerity": "hash trees made anew",
    "os.hostname": "the host name",
    "os.users": "users, with passwords, keys and groups",
    "os.groups": "groups",
    "os.services": "services enabled and disabled",
    "os.modules": "kernel modules, their loading and options",
    "os.additionalFiles": "files with their permissions",
    "os.additionalDirs": "directories with their permissions",
    "os.packages, install": "packages installed",
    "os.packages, remove": "packages removed",
    "os.packages, update": "packages updated, one or all",
    "os.packages.removePackageManager": "the package manager removed",
    "os.packages.snapshotTime": "repositories as of a time",
    "os.selinux": "SELinux modes, labels set anew",
    "os.overlays": "overlay mounts",
    "os.kernelCommandLine": "further words of the kernel command line",
    "os.bootloader.resetType": "the boot loader made anew",
    "os.uki, create": "UKIs made of kernels and initrds",
    "os.uki, modify": "UKIs kept, their command lines changed",
    "os.uki, passthrough": "UKIs kept byte for byte",
    "os.imageHistory": "what was done, noted in the image",
    "scripts": "scripts, after customizing and at the end",
    "iso": "a live ISO",
    "pxe": "artefacts to boot over the network",
    "output.image.format, cosi": "COSI files",
    "output.image.format, vhd and vhdx": "VHD, fixed and dynamic, and VHDX",
    "output.image.format, vmdk": "VMDK, stream-optimized",
    "output.image.format, directory": "the root as a directory",
    "output.image.format, squashfs and erofs": "the root as the image of a file system",
    "output.image.format, oci": "container images, as a directory and as one file",
    "output.image.format, wsl": "distributions for WSL",
    "output.image.format, sysext and confext": "extensions for systemd-sysext",
    "output.artifacts": "what is to be signed outside, and injected again",
    "output.selinuxPolicyPath": "the policy, copied out",
}


def covers(
    *features: str, file_system: str = "ext4", loader: str = "systemd-boot"
) -> pytest.MarkDecorator:
    """Say what a test shows. file_system: of the root; loader: what the image boots with."""
    unknown = set(features) - FEATURES.keys()
    assert not unknown, f"no features: {', '.join(sorted(unknown))}"
    return pytest.mark.covers(features=features, file_system=file_system, loader=loader)
