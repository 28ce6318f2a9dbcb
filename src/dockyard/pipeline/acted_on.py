"""Which valid keys of an image file building acts on. All others stop a build before it starts, by
name.

Nothing is ever accepted and ignored: a key is either acted on, or listed here with its reason, or
has no effect by its own definition (such as `previewFeatures`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from dockyard.errors import Position, Problems
from dockyard.model.image import Image
from dockyard.model.input import Input
from dockyard.model.os import UkiMode
from dockyard.model.output import ImageFormat
from dockyard.model.storage import BootType

WRITTEN_FORMATS = (ImageFormat.RAW, ImageFormat.QCOW2, ImageFormat.VHD_FIXED)

# key -> (is it used?, what building would have to do)
_NOT_YET: dict[str, tuple[Callable[[Image], object], str]] = {
    "input": (
        lambda image: image.input != Input(),
        "customizing an image that exists; build makes images from packages",
    ),
    "iso": (lambda image: image.iso, "live ISO images"),
    "pxe": (lambda image: image.pxe, "network boot artefacts"),
    "os.selinux.mode": (lambda image: image.os.selinux.mode, "SELinux"),
    "os.overlays": (lambda image: image.os.overlays, "overlay mounts"),
    "os.packages.remove": (lambda image: image.os.packages.remove, "removing packages"),
    "os.packages.removeLists": (lambda image: image.os.packages.remove_lists, "removing packages"),
    "os.packages.update": (lambda image: image.os.packages.update, "updating packages"),
    "os.packages.updateLists": (lambda image: image.os.packages.update_lists, "updating packages"),
    "os.packages.updateExistingPackages": (
        lambda image: image.os.packages.update_existing_packages,
        "updating packages",
    ),
    "os.packages.snapshotTime": (
        lambda image: image.os.packages.snapshot_time,
        "repositories as of a time; the lock pins every package instead",
    ),
    "os.packages.removePackageManager": (
        lambda image: image.os.packages.remove_package_manager,
        "removing the package manager; leave it out of os.packages.install instead",
    ),
    "os.uki.mode": (
        lambda image: image.os.uki and image.os.uki.mode in (UkiMode.PASSTHROUGH, UkiMode.MODIFY),
        "UKIs of an existing image; use `create`",
    ),
    "storage.bootType": (
        lambda image: image.storage.boot_type is BootType.LEGACY,
        "booting by BIOS; use `efi`",
    ),
    "storage.verity": (lambda image: image.storage.verity, "dm-verity"),
    "storage.resetPartitionsUuidsType": (
        lambda image: image.storage.reset_partitions_uuids_type,
        "changing the disk of an existing image",
    ),
    "storage.reinitializeVerity": (
        lambda image: image.storage.reinitialize_verity,
        "dm-verity of an existing image",
    ),
    "output.artifacts": (lambda image: image.output.artifacts, "artefacts for signing"),
    "output.selinuxPolicyPath": (lambda image: image.output.selinux_policy_path, "SELinux"),
    "output.image.cosi": (lambda image: image.output.image.cosi.compression.level, "COSI files"),
}


def require_acted_on(image: Image, positions: Mapping[str, Position], file: str) -> None:
    """Raise DockyardError with every key in use that building does not act on."""
    problems = Problems()
    for key, (used, what) in _NOT_YET.items():
        if used(image):
            problems.add(
                "build.not-acted-on",
                f"`{key}` is valid, but building does not act on it yet",
                positions.get(key, Position(file)),
                why=f"it asks for {what}" if ";" not in what else what,
                fix=f"remove `{key}` from the file",
            )
    for index, system in enumerate(image.storage.filesystems):
        if system.btrfs and system.btrfs.subvolumes:
            key = f"storage.filesystems[{index}].btrfs"
            problems.add(
                "build.not-acted-on",
                "btrfs subvolumes are valid, but building does not make them yet",
                positions.get(key, Position(file)),
                fix="give the file system itself a mountPoint",
            )
    written = image.output.image.format
    if written is not None and written not in WRITTEN_FORMATS:
        problems.add(
            "build.not-acted-on",
            f"the format {written} is valid, but building does not write it yet",
            positions.get("output.image.format", Position(file)),
            fix=f"choose one of {', '.join(WRITTEN_FORMATS)}",
        )
    problems.raise_any()


def require_buildable(image: Image, positions: Mapping[str, Position], file: str) -> None:
    """Raise DockyardError for what an image made from nothing needs and the file lacks."""
    problems = Problems()
    if not image.distro:
        problems.add(
            "build.no-distro",
            "the image file names no distro",
            Position(file),
            why="an image is made from the packages of a distribution",
            fix="add, for example: distro: ../../distros/harbor/distro.yaml",
        )
    if not image.storage.disks:
        problems.add(
            "build.no-disk",
            "the image file describes no disk",
            positions.get("storage", Position(file)),
            fix="add storage.disks and storage.filesystems with an esp and a root partition",
        )
    elif not any(
        system.mount_point and system.mount_point.path == "/"
        for system in image.storage.filesystems
    ):
        problems.add(
            "build.no-root",
            "no file system is mounted at /",
            positions.get("storage.filesystems", Position(file)),
            fix="give one of storage.filesystems the mountPoint /",
        )
    if not image.os.packages.install and not image.os.packages.install_lists:
        problems.add(
            "build.no-packages",
            "the image file asks for no packages",
            positions.get("os.packages", Position(file)),
            fix="add os.packages.install",
        )
    problems.raise_any()
