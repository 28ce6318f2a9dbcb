"""What must be true of roots that are checked by their hash, and of what is taken out of an image
to be signed: judged before any work.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from dockyard.config import LoadedImage
from dockyard.disk.partition_types import ESP
from dockyard.disk.partitions import DiskLayout, PartitionLayout, VerityLayout
from dockyard.errors import Problem
from dockyard.model.os import BootloaderType
from dockyard.model.output import ArtifactItem


def sealing_problems(loaded: LoadedImage, layout: DiskLayout) -> Iterator[Problem]:
    """Everything that speaks against sealing, and against taking files out, in a layout."""
    yield from _boot_problems(loaded, layout)
    yield from _artifact_problems(loaded, layout)


def esp_of(layout: DiskLayout) -> PartitionLayout | None:
    """The EFI system partition."""
    return next((each for each in layout.partitions if each.type_guid == ESP), None)


def holding(layout: DiskLayout, path: str) -> tuple[PartitionLayout | None, str]:
    """The partition that a path of the image is on, and the path there."""
    mounts = {
        mount.path: partition
        for partition in layout.partitions
        for mount, _ in (partition.filesystem.mounts if partition.filesystem else ())
    }
    for each in PurePosixPath(path).parents:
        if str(each) in mounts:
            return mounts[str(each)], f"/{PurePosixPath(path).relative_to(each)}"
    return None, path


def _boot_problems(loaded: LoadedImage, layout: DiskLayout) -> Iterator[Problem]:
    """What has the root hash cannot be in the data that it is the hash of."""
    esp = esp_of(layout)
    if layout.verity and esp is None:
        yield loaded.problem(
            "storage.verity",
            "verity.boot-inside",
            "the image has no EFI system partition for what boots a checked root",
            why="the root hash is on the kernel command line, which the data cannot contain",
            fix="add a partition of the type esp with a vfat file system",
        )
    for index, item in enumerate(loaded.image.storage.verity):
        if not item.hash_signature_path:
            continue
        partition, _ = holding(layout, item.hash_signature_path)
        if partition is None or partition.verity is not None:
            yield loaded.problem(
                f"storage.verity[{index}].hashSignaturePath",
                "verity.signature-inside",
                "the signature of the root hash would be in the data that are checked by it",
                fix="give /boot, or the directory of the signature, a partition of its own",
            )


def _artifact_problems(loaded: LoadedImage, layout: DiskLayout) -> Iterator[Problem]:
    wanted = loaded.image.output.artifacts
    if wanted is None:
        return
    if not layout.partitions:
        yield loaded.problem(
            "output.artifacts",
            "artifacts.no-disk",
            "artifacts are taken out of a disk, and the format has none",
            fix="choose another format, such as raw, or remove `output.artifacts`",
        )
    elif esp_of(layout) is None:
        yield loaded.problem(
            "output.artifacts",
            "artifacts.no-esp",
            "the image has no EFI system partition to take artifacts out of",
            fix="remove `output.artifacts`",
        )
    if ArtifactItem.UKIS in wanted.items and (
        loaded.image.os.bootloader.type is BootloaderType.GRUB
    ):
        yield loaded.problem(
            "output.artifacts.items",
            "artifacts.no-ukis",
            "an image that boots with GRUB has no UKIs",
            fix="remove `ukis`, or `os.bootloader.type`",
        )
    signed = [device for _, device in layout.verity if device.signature]
    if ArtifactItem.VERITY_HASH in wanted.items and not signed:
        yield loaded.problem(
            "output.artifacts.items",
            "artifacts.no-signature",
            "no verity device says where the signature of its root hash is",
            fix="give it a `hashSignaturePath`, or remove `verity-hash`",
        )


def signature_place(layout: DiskLayout, device: VerityLayout) -> tuple[PartitionLayout, str]:
    """Where the signature of a root hash is: the partition, and the path there."""
    partition, at = holding(layout, device.signature)
    assert partition is not None  # judged before
    return partition, at
