"""What must be true of roots that are checked by their hash, and of what is taken out of an image
to be signed: judged before any work.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from dockyard.config import LoadedImage
from dockyard.disk.fstab import source
from dockyard.disk.partition_types import ESP
from dockyard.disk.partitions import DiskLayout, PartitionLayout, VerityLayout
from dockyard.errors import Problem, Severity
from dockyard.filesystems.edit import EDITED
from dockyard.initrd.options import EarlyMount
from dockyard.model.os import BootloaderType
from dockyard.model.output import ArtifactItem
from dockyard.model.storage import BootType


def sealing_problems(loaded: LoadedImage, layout: DiskLayout) -> Iterator[Problem]:
    """Everything that speaks against sealing, and against taking files out, in a layout."""
    yield from _boot_problems(loaded, layout)
    yield from _artifact_problems(loaded, layout)
    yield from _outdated(loaded, layout)


def esp_of(layout: DiskLayout) -> PartitionLayout | None:
    """The EFI system partition."""
    return next((each for each in layout.partitions if each.type_guid == ESP), None)


def _boot_problems(loaded: LoadedImage, layout: DiskLayout) -> Iterator[Problem]:
    """What has the root hash cannot be in the data that it is the hash of."""
    esp = esp_of(layout)
    # What a BIOS boots a checked root by is in /boot, which is judged with GRUB.
    by_bios = loaded.image.storage.boot_type is BootType.LEGACY
    if layout.verity and esp is None and not by_bios:
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
        partition, _ = layout.holding(item.hash_signature_path)
        if partition is None or partition.verity is not None:
            yield loaded.problem(
                f"storage.verity[{index}].hashSignaturePath",
                "verity.signature-inside",
                "the signature of the root hash would be in the data that are checked by it",
                fix="give /boot, or the directory of the signature, a partition of its own",
            )


def _outdated(loaded: LoadedImage, layout: DiskLayout) -> Iterator[Problem]:
    """Signatures that an image has of root hashes that are made anew."""
    wanted = loaded.image.output.artifacts
    if wanted is not None and ArtifactItem.VERITY_HASH in wanted.items:
        return
    for data, device in signed_devices(layout):
        if device.existed and not data.kept:
            yield loaded.problem(
                "storage.reinitializeVerity",
                "verity.signature-outdated",
                f"{device.signature} is the signature of the root hash that the image had",
                why="its data are hashed anew; it does not boot until the new hash is signed",
                fix="add `verity-hash` to `output.artifacts.items`, sign what is taken out, and "
                "put it in with `inject-files`",
                severity=Severity.WARNING,
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
    elif esp_of(layout) is None and {*wanted.items} != {ArtifactItem.VERITY_HASH}:
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
    if ArtifactItem.VERITY_HASH in wanted.items and not signed_devices(layout):
        yield loaded.problem(
            "output.artifacts.items",
            "artifacts.no-signature",
            "no verity device says where the signature of its root hash is: none is taken out",
            fix="give it a `hashSignaturePath`, or remove `verity-hash`",
            severity=Severity.WARNING,
        )
    if ArtifactItem.VERITY_HASH in wanted.items:
        yield from _not_put_back(loaded, layout)


def _not_put_back(loaded: LoadedImage, layout: DiskLayout) -> Iterator[Problem]:
    """A problem for each signature that `inject-files` could not put where it belongs."""
    for _, device in signed_devices(layout):
        partition, at = layout.holding(device.signature)
        assert partition is not None and partition.filesystem is not None
        kind = partition.filesystem.type.kernel_name
        if partition.verity is None and kind not in EDITED:
            yield loaded.problem(
                "output.artifacts.items",
                "artifacts.not-put-back",
                f"{device.signature} cannot be put back once it is signed: {at} is {kind}",
                why=f"inject-files puts files into {' and '.join(EDITED)}",
                fix=f"make {at} ext4, or remove `verity-hash`",
            )


def signed_devices(layout: DiskLayout) -> tuple[tuple[PartitionLayout, VerityLayout], ...]:
    """The devices whose root hash has a signature in the image, with the partitions of their data.

    The command line of an image that exists may name one that is not on its disk.
    """
    return tuple(
        each
        for each in layout.verity
        if each[1].signature and layout.holding(each[1].signature)[0] is not None
    )


def signature_place(layout: DiskLayout, device: VerityLayout) -> tuple[PartitionLayout, str]:
    """Where the signature of a root hash is: the partition, and the path there."""
    partition, at = layout.holding(device.signature)
    assert partition is not None  # judged before
    return partition, f"/{PurePosixPath(device.signature).relative_to(at)}"


def early_mounts(layout: DiskLayout) -> tuple[EarlyMount, ...]:
    """What an initrd mounts before it sets verity devices up: where their signatures are."""
    devices: dict[str, list[str]] = {}
    for _, device in signed_devices(layout):
        devices.setdefault(layout.holding(device.signature)[1], []).append(device.name)
    return tuple(_early(layout, path, tuple(names)) for path, names in devices.items())


def _early(layout: DiskLayout, path: str, devices: tuple[str, ...]) -> EarlyMount:
    partition = layout.mounted_at(path)
    assert partition is not None and partition.filesystem is not None
    system = partition.filesystem
    mount, subvolume = next(each for each in system.mounts if each[0].path == path)
    # Only the devices that wait for it ask for it: nothing else stops where it is not there.
    options = ["ro", "noauto", *([f"subvol={subvolume}"] if subvolume else [])]
    where = source(partition, mount.id_type)
    return EarlyMount(where, path, system.type.kernel_name, ",".join(options), devices)
