"""Roots that are checked by their hash in images that exist: those that the image has, kept or
hashed anew, and those that it is to have.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from uuid import UUID

from dockyard.config import LoadedImage
from dockyard.disk.layout import size_text, verity_layout
from dockyard.disk.partitions import DiskLayout, PartitionLayout, VerityLayout
from dockyard.disk.verity import tree_size
from dockyard.errors import Problem, Problems
from dockyard.model.storage import (
    VERITY_MOUNTS,
    FileSystemType,
    IdentifiedPartition,
    MountPoint,
    ReinitializeVerity,
    Verity,
)
from dockyard.pipeline.existing_disk import DiskSource, ExistingVerity
from dockyard.pipeline.package_changes import used_keys
from dockyard.tree.fstab_device import FstabDeviceSetting

_KEY = "storage.reinitializeVerity"


def with_verity(
    loaded: LoadedImage, source: DiskSource, layout: DiskLayout, seed: bytes
) -> DiskLayout:
    """The layout of an image that exists with its verity devices, and those that the image file
    adds. Raises DockyardError with every mistake.
    """
    storage = loaded.image.storage
    if storage.disks:  # nothing is kept of the old disk, and the new one has what its file says
        return layout
    problems = Problems()
    partitions = {each.number: each for each in layout.partitions}
    if source.verity and storage.reinitialize_verity is None:
        problems.extend([_undecided(loaded, source)])
    for device in source.verity:
        problems.extend(_had(loaded, device, partitions))
    for index, item in enumerate(storage.verity):
        problems.extend(_added(loaded, index, item, partitions, seed))
    problems.raise_any()
    laid = tuple(partitions[each.number] for each in layout.partitions)
    return replace(layout, partitions=laid)


def mounts_of_devices(loaded: LoadedImage, layout: DiskLayout) -> tuple[FstabDeviceSetting, ...]:
    """What /etc/fstab is to say of devices that the image did not have; that of a new disk has it
    already.
    """
    if loaded.image.storage.disks:
        return ()
    return tuple(
        FstabDeviceSetting(
            path="/" if device.name == "root" else "/usr",
            device=f"/dev/mapper/{device.name}",
            kind=data.filesystem.type.kernel_name if data.filesystem else "auto",
        )
        for data, device in layout.verity
        if not device.existed
    )


def _undecided(loaded: LoadedImage, source: DiskSource) -> Problem:
    names = {device.name for device in source.verity}
    paths = [path for path, name in VERITY_MOUNTS.items() if name in names]
    return loaded.problem(
        _KEY,
        "image.verity-undecided",
        f"{' and '.join(paths)} of the image {'is' if len(paths) == 1 else 'are'} checked by "
        "dm-verity, and nothing says what is to become of that",
        why="whatever is changed there no longer has the hash that the image boots with",
        fix=f"set `{_KEY}: all` to hash it anew, or `none` to keep it as it is",
    )


def _had(
    loaded: LoadedImage, found: ExistingVerity, partitions: dict[int, PartitionLayout]
) -> Iterator[Problem]:
    """Lays out a device that the image has."""
    data, hashes = partitions[found.data], partitions[found.hashes]
    path = "/" if found.name == "root" else "/usr"
    anew = loaded.image.storage.reinitialize_verity is ReinitializeVerity.ALL
    if not found.root_hash:
        yield loaded.problem(
            _KEY,
            "image.no-root-hash",
            f"{path} of the image has a hash tree, but no boot entry that is known has its hash",
            why="what boots the image would not find it any more",
            fix="`dockyard inspect` shows the boot entries of an image",
        )
    device = VerityLayout(
        id=found.name,
        name=found.name,
        hashes=hashes.key,
        inline=found.data == found.hashes,
        uuid=UUID(found.uuid),
        salt=bytes.fromhex(found.salt),
        existed=True,
        root_hash="" if anew else found.root_hash,
        offset=found.offset,
        signature=found.signature,
    )
    if anew:
        yield from _unhashable(loaded, path, data, hashes)
    if anew and hashes is not data:
        partitions[found.hashes] = replace(hashes, kept=False)
    partitions[found.data] = replace(data, verity=device, kept=not anew)
    if loaded.image.storage.reinitialize_verity is ReinitializeVerity.NONE:
        yield from _changed(loaded, path)


def _unhashable(
    loaded: LoadedImage, path: str, data: PartitionLayout, hashes: PartitionLayout
) -> Iterator[Problem]:
    """What stands in the way of hashing data anew."""
    if data.filesystem is not None and data.filesystem.subvolumes:
        yield loaded.problem(
            _KEY,
            "image.verity-subvolumes",
            f"{path} has btrfs subvolumes, and cannot be hashed anew",
            fix=f"set `{_KEY}: none`, or start from an image without subvolumes",
        )
    if hashes is not data and tree_size(data.size) > hashes.size:
        yield loaded.problem(
            _KEY,
            "disk.hash-too-small",
            f"the hash tree of {path} needs {size_text(-(-tree_size(data.size) >> 20) << 20)}, but "
            f"its partition {hashes.key} has {size_text(hashes.size)}",
            why="the file system is written over all of its partition, and the tree covers it",
            fix="start from an image with a larger partition for the hashes",
        )


def _changed(loaded: LoadedImage, path: str) -> Iterator[Problem]:
    """What the image file asks for that cannot be without a change of what is kept."""
    system = loaded.image.os
    of_root = {
        "os.hostname": system.hostname,
        "os.users": system.users,
        "os.groups": system.groups,
        "os.services": system.services.enable or system.services.disable,
    }
    asked = [key for key, given in of_root.items() if given and path == "/"]
    for key in (*used_keys(loaded), *asked):
        yield loaded.problem(
            key,
            "image.verity-kept",
            f"`{key}` changes what is below {path}, which is to be kept as it is",
            why=f"`{_KEY}` is `none`, and {path} is checked by dm-verity",
            fix=f"set `{_KEY}: all`, or remove `{key}`",
        )


def _added(
    loaded: LoadedImage,
    index: int,
    item: Verity,
    partitions: dict[int, PartitionLayout],
    seed: bytes,
) -> Iterator[Problem]:
    """Lays out a device that the image file adds."""
    at = f"storage.verity[{index}]"
    if item.data_device is None or item.hash_device is None:
        return  # judged by the model: these are of a new disk
    data = _labelled(item.data_device, partitions)
    hashes = _labelled(item.hash_device, partitions)
    mistakes = [*_mistakes(item, data, hashes, partitions)]
    for role, what, fix in mistakes:
        yield loaded.problem(f"{at}.{role}", "image.verity-partition", what, fix=fix)
    if mistakes:
        return
    (one,), (other,) = data, hashes
    assert one.filesystem is not None and one.filesystem.mount is not None
    options = sorted({*one.filesystem.mount.options.split(","), "ro"} - {"", "rw"})
    mount = MountPoint(path=one.filesystem.mount.path, options=",".join(options))
    system = replace(one.filesystem, mount=mount)
    device = verity_layout(item, seed, other.key)
    partitions[one.number] = replace(one, verity=device, filesystem=system)
    partitions[other.number] = replace(other, kept=False)
    var = next((each for each in partitions.values() if _is_at(each, "/var")), None)
    if item.name == "root" and (var is None or var.verity or _is_erofs(var)):
        yield loaded.problem(
            at,
            "build.read-only-var",
            "the root would only be read, and there is no writable /var",
            why="logind, the journal and others keep their state there, and fail without it",
            fix="start from an image with a partition for /var, or lay out the disk anew",
        )


def _labelled(
    named: IdentifiedPartition, partitions: dict[int, PartitionLayout]
) -> list[PartitionLayout]:
    return [each for each in partitions.values() if each.label == named.id]


def _is_at(partition: PartitionLayout, path: str) -> bool:
    system = partition.filesystem
    return system is not None and any(mount.path == path for mount, _ in system.mounts)


def _is_erofs(partition: PartitionLayout) -> bool:
    return partition.filesystem is not None and partition.filesystem.type is FileSystemType.EROFS


def _mistakes(
    item: Verity,
    data: list[PartitionLayout],
    hashes: list[PartitionLayout],
    partitions: dict[int, PartitionLayout],
) -> Iterator[tuple[str, str, str]]:
    """What speaks against partitions as data and hashes: the key, what, and what to do."""
    labels = ", ".join(each.label for each in partitions.values() if each.label) or "none"
    for role, found in (("dataDevice", data), ("hashDevice", hashes)):
        named = item.data_device if role == "dataDevice" else item.hash_device
        assert named is not None
        if len(found) != 1:
            count = "several partitions" if found else "no partition"
            yield (f"{role}.id", f"the image has {count} with the label {named.id}",
                   f"its labels are: {labels}")  # fmt: skip
    if len(data) != 1 or len(hashes) != 1:
        return
    (one,), (other,) = data, hashes
    path = "/" if item.name == "root" else "/usr"
    if not _is_at(one, path):
        yield ("dataDevice.id", f"the partition {one.label} is not mounted at {path}",
               f"name the partition of {path}")  # fmt: skip
    if one.filesystem is not None and one.filesystem.subvolumes:
        yield ("dataDevice.id", f"the partition {one.label} has subvolumes",
               "choose a file system without them")  # fmt: skip
    if one.verity is not None:
        yield ("dataDevice.id", f"the partition {one.label} is checked by dm-verity already",
               "remove this device, and set `storage.reinitializeVerity: all`")  # fmt: skip
    if other.filesystem is not None and other is not one:
        yield ("hashDevice.id", f"the partition {other.label} has a file system that is mounted",
               "name a partition that is there for the hash tree")  # fmt: skip
    if other is one:
        yield ("hashDevice.id", "data and hash tree are to be in one partition",
               "name another partition: this one is filled by its file system")  # fmt: skip
    elif tree_size(one.size) > other.size:
        yield ("hashDevice.id", f"the hash tree of {one.label} needs "
               f"{size_text(-(-tree_size(one.size) >> 20) << 20)}, but the partition "
               f"{other.label} has {size_text(other.size)}",
               "start from an image with a larger one")  # fmt: skip
