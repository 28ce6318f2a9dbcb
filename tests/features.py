"""The features that images are customized by, and which test shows each of them on what.

A test says with `covers` what it shows. From what pytest collects, `scripts/draw_features.py` makes
docs/reference/features.md and `scripts/draw_tried.py` docs/reference/tried.md; a feature that no
built image shows is an error, and so is a format or a way to boot that nothing was tried with and
for which `untried` has no reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import pytest

from dockyard.model.architecture import Architecture

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
    "storage.bootType, hybrid": "a disk that a BIOS and UEFI firmware start",
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


class Way(StrEnum):
    """How a machine comes to the system of an image. The first are those of a disk, then those of a
    medium, and of a network.
    """

    UKI = "UEFI, systemd-boot and UKI"
    GRUB = "UEFI, shim and GRUB"
    SECURE = "Secure Boot, signed shim and GRUB"
    BIOS = "BIOS, GRUB"
    HYBRID = "BIOS and UEFI, GRUB"
    KERNEL = "kernel without a loader"
    CD_BY_UEFI = "CD, UEFI"
    CD_BY_BIOS = "CD, BIOS"
    STICK_BY_UEFI = "stick, UEFI"
    STICK_BY_BIOS = "stick, BIOS"
    TFTP_BY_UEFI = "TFTP, UEFI"
    TFTP_BY_BIOS = "TFTP, BIOS"
    HTTP_BY_UEFI = "HTTP, UEFI"
    HTTP_BY_BIOS = "HTTP, BIOS"

    @property
    def of_disk(self) -> bool:
        """Whether a disk is started, no medium, and nothing over a network."""
        return self in (Way.UKI, Way.GRUB, Way.SECURE, Way.BIOS, Way.HYBRID, Way.KERNEL)


OF_LOADER = {"systemd-boot": Way.UKI, "GRUB": Way.GRUB}


class Proof(StrEnum):
    """What is proven of a format."""

    EQUAL = "same bytes twice"
    ANYBODY = "same by root and by a user"
    JUDGED = "judged by"
    READ_BACK = "read back"
    DAMAGED = "damaged refused"
    TRUNCATED = "truncated refused"
    SAME_DISK = "holds the disk of raw"


@dataclass(frozen=True)
class Untried:
    """Why something is not tried here. What is empty stands for all."""

    reason: str
    formats: tuple[str, ...] = ()
    ways: tuple[Way, ...] = ()
    architectures: tuple[Architecture, ...] = ()
    proofs: tuple[Proof, ...] = ()

    def fits(
        self,
        *,
        format: str,
        way: str | None = None,
        architecture: str | None = None,
        proof: str | None = None,
    ) -> bool:
        """Whether it is the reason for a cell: of a boot, or of a proof."""
        if (proof is None) is bool(self.proofs):
            return False
        pairs: tuple[tuple[str | None, tuple[str, ...]], ...] = (
            (format, self.formats),
            (way, self.ways),
            (architecture, self.architectures),
            (proof, self.proofs),
        )
        return all(not chosen or value in chosen for value, chosen in pairs)


_OF_NETWORK = (Way.TFTP_BY_UEFI, Way.TFTP_BY_BIOS, Way.HTTP_BY_UEFI, Way.HTTP_BY_BIOS)
_OF_MEDIUM = (Way.CD_BY_UEFI, Way.CD_BY_BIOS, Way.STICK_BY_UEFI, Way.STICK_BY_BIOS)

# What stands for programs that are not here.
ELSEWHERE = (
    "VMware, VirtualBox, Hyper-V and Azure: QEMU and qemu-img, which read their formats by code of "
    "their own.",
    "Machines: OVMF, SeaBIOS and the devices of QEMU.",
    "WSL, which takes Windows: GNU tar, which lists what is imported there.",
    "Engines of containers: skopeo, umoci and systemd-dissect.",
    "What installs COSI files: `dockyard burn`, and readers of tar, zstd and the schema.",
)

# The first that fits is told.
UNTRIED = (
    Untried(
        "machines of aarch64 have no BIOS",
        ways=(
            *(Way.BIOS, Way.HYBRID, Way.CD_BY_BIOS, Way.STICK_BY_BIOS),
            *(Way.TFTP_BY_BIOS, Way.HTTP_BY_BIOS),
        ),
        architectures=(Architecture.AARCH64,),
    ),
    Untried(
        "QEMU has no secure world for the firmware of aarch64, which keeps the keys",
        ways=(Way.SECURE,),
        architectures=(Architecture.AARCH64,),
    ),
    Untried(
        "boots of aarch64 are translated and slow: one way stands for it here",
        ways=(Way.KERNEL,),
        architectures=(Architecture.AARCH64,),
    ),
    Untried("a network has the ISO served, and no medium", ("iso",), _OF_NETWORK),
    Untried("what is served is no medium; the ISO in it is one", ("pxe-dir",), _OF_MEDIUM),
    Untried(
        "it is the format pxe-dir, packed: a test unpacks it and compares the two", ("pxe-tar",)
    ),
    Untried(
        "GRUB's program for a BIOS has no HTTP: it reads what it was sent from by TFTP",
        ("pxe-dir",),
        (Way.HTTP_BY_BIOS,),
    ),
    Untried(
        "a directory has no form of its own that programs would read, or that could be damaged",
        ("directory", "pxe-dir"),
        proofs=(Proof.JUDGED, Proof.READ_BACK, Proof.DAMAGED, Proof.TRUNCATED),
    ),
)


def covers(
    *features: str,
    file_system: str = "ext4",
    loader: str = "systemd-boot",
    way: Way | None = None,
    format: str = "raw",
    distribution: str = "Harbor",
    architecture: Architecture = Architecture.X86_64,
    proofs: Sequence[Proof] = (),
    judge: str = "",
) -> pytest.MarkDecorator:
    """Say what a test shows. file_system: of the root; loader: what the image boots with; way: how
    a machine comes to it, where the loader does not say. format: of the output; `{name}` stands for
    that parameter of the test. proofs: of the format. judge: the program of others that reads it.
    """
    unknown = set(features) - FEATURES.keys()
    assert not unknown, f"no features: {', '.join(sorted(unknown))}"
    return pytest.mark.covers(
        features=features,
        file_system=file_system,
        loader=loader,
        way=way or OF_LOADER[loader],
        format=format,
        distribution=distribution,
        architecture=architecture,
        proofs=(*proofs, *([Proof.JUDGED] if judge else [])),
        judge=judge,
    )
