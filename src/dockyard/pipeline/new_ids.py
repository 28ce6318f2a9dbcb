"""New ids for the disk of an image that exists: `storage.resetPartitionsUuidsType: reset-all`.

They come from the content of the image, so that two images never share one and the same input gives
the same ids. Whatever names a device by its id follows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace

from dockyard.config import LoadedImage
from dockyard.disk.identity import derive
from dockyard.disk.partitions import DiskLayout, PartitionLayout
from dockyard.errors import Problem, Severity
from dockyard.pipeline.existing_disk import DiskSource
from dockyard.tree.device_ids import DeviceIdsSetting

_KEY = "storage.resetPartitionsUuidsType"
_SWAP = "swap"


def with_new_ids(source: DiskSource, layout: DiskLayout) -> DiskLayout:
    """The same disk with other ids of the table, of partitions, file systems and swap spaces."""
    seed = hashlib.sha256(b"reset-all\0" + bytes.fromhex(source.digest)).digest()
    holds = {str(each.number): each.holds for each in source.partitions}
    return replace(
        layout,
        guid=derive(seed, "disk"),
        partitions=tuple(_renamed(each, holds[each.key], seed) for each in layout.partitions),
    )


def _renamed(laid: PartitionLayout, holds: str, seed: bytes) -> PartitionLayout:
    made = replace(laid, guid=derive(seed, "partition", laid.key))
    if laid.filesystem is not None:
        uuid = derive(seed, "filesystem", laid.key)
        return replace(made, filesystem=replace(laid.filesystem, uuid=uuid))
    return replace(made, swap=derive(seed, "swap", laid.key)) if holds == _SWAP else made


def id_changes(source: DiskSource, layout: DiskLayout) -> tuple[tuple[str, str], ...]:
    """What was named by which id, and is by another one in a layout of the same partitions."""
    found: list[tuple[str, str]] = []
    old = {str(each.number): each for each in source.partitions}
    for laid in layout.partitions:
        before = old[laid.key]
        found.append((before.guid, str(laid.guid)))
        if laid.filesystem is not None:
            found.append((before.uuid, laid.filesystem.uuid_text))
        elif laid.swap is not None:
            found.append((before.uuid, str(laid.swap)))
    return tuple((a, b) for a, b in found if a and a.lower() != b.lower())


def named_anew(source: DiskSource, layout: DiskLayout) -> tuple[DeviceIdsSetting, ...]:
    """The setting that puts new ids into files."""
    ids = id_changes(source, layout)
    return (DeviceIdsSetting(ids),) if ids else ()


def id_problems(loaded: LoadedImage, source: DiskSource) -> Iterator[Problem]:
    """What keeps its id, each by name, and what cannot have another one."""
    if source.verity:
        yield loaded.problem(
            _KEY,
            "image.verity-ids",
            "the image is checked by dm-verity, and its boot names the partitions of that",
            fix=f"remove `{_KEY}`",
        )
    for each in source.partitions:
        if each.places or not each.holds or each.holds == _SWAP:
            continue
        kept = f", {each.uuid}" if each.uuid else ""
        yield Problem(
            "image.keeps-id",
            f"partition {each.number} gets a new id; the {each.holds} in it keeps its own{kept}",
            loaded.position(_KEY),
            why="it is mounted nowhere, and copied as it is",
            fix="mount it by /etc/fstab of the image before",
            severity=Severity.WARNING,
        )
