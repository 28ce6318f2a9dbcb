"""Files taken out of an image for signing (`output.artifacts`), with the file that has
`inject-files` put them back.

They are read from the partitions that were made, so that what is signed is what boots.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from dockyard.archive import Archive, Kind
from dockyard.disk.output import whole
from dockyard.disk.partitions import DiskLayout, PartitionLayout, VerityLayout
from dockyard.engine.store import Store
from dockyard.errors import DockyardError
from dockyard.filesystems.vfat import reader
from dockyard.host.conditions import mode_for_caller
from dockyard.host.storage import output_refused
from dockyard.model.output import ArtifactItem
from dockyard.pipeline.arguments.names import FILESYSTEM, ROOT_HASH
from dockyard.pipeline.image import ImageSteps
from dockyard.pipeline.request import ImageRequest
from dockyard.pipeline.sealing import esp_of, signature_place, signed_devices

INJECT_FILES = "inject-files.yaml"
_UKI = re.compile(r"EFI/Linux/[^/]+\.efi", re.IGNORECASE)
_ADDON = re.compile(r"EFI/Linux/[^/]+\.efi\.extra\.d/[^/]+\.efi", re.IGNORECASE)
# What firmware starts by itself, which is shim where an image has one.
_FIRST = re.compile(r"EFI/BOOT/boot(x64|aa64)\.efi", re.IGNORECASE)
_LOADER = re.compile(r"EFI/[^/]+/(grub|systemd-boot)[^/]*\.efi", re.IGNORECASE)
_WANTED = {
    ArtifactItem.UKIS: ((_UKI, "ukis"), (_ADDON, "uki-addons")),
    ArtifactItem.SHIM: ((_FIRST, "shim"),),
    ArtifactItem.BOOTLOADER: ((_LOADER, "bootloader"),),
}


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file taken out. path: below the directory of artifacts. at: its place on the partition."""

    partition: PartitionLayout
    at: str
    path: str
    type: str
    data: bytes


def write_artifacts(request: ImageRequest, steps: ImageSteps, store: Store) -> tuple[Path, ...]:
    """Take the files out that the image file asks for; gives what was written, the file for
    `inject-files` first. Nothing where it asks for none. Raises DockyardError.
    """
    wanted = request.loaded.image.output.artifacts
    if wanted is None:
        return ()
    found = [*_artifacts(request, steps, store)]
    lacking = [
        item
        for item in wanted.items
        # Whether there is a hash to sign is said before the work.
        if item is not ArtifactItem.VERITY_HASH and not any(_is_of(each, item) for each in found)
    ]
    if lacking:
        raise DockyardError(
            request.loaded.problem(
                "output.artifacts.items",
                "artifacts.none",
                f"the image has no {', '.join(lacking)} to take out",
                why=f"{request.loaded.path.name} makes none",
                fix=f"remove {', '.join(f'`{item}`' for item in lacking)}",
            )
        )
    place = request.loaded.local(wanted.path)
    contents = {each.path: each.data for each in found}
    contents = {INJECT_FILES: _inject_files(found).encode(), **contents}
    try:
        return tuple(_put(place / path, data) for path, data in contents.items())
    except OSError as error:
        why, fix = output_refused(error)
        what = f"the artifacts could not be written to {place}"
        at = "output.artifacts.path"
        raise DockyardError(
            request.loaded.problem(at, "artifacts.output", what, why=why, fix=f"{fix} {at}")
        ) from error


def _is_of(artifact: Artifact, item: ArtifactItem) -> bool:
    return artifact.path.startswith(f"{item}/")


def _put(path: Path, data: bytes) -> Path:
    if not (path.is_file() and path.read_bytes() == data):
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole(path) as part:
            part.write_bytes(data)
            part.chmod(mode_for_caller())
    return path


def _artifacts(request: ImageRequest, steps: ImageSteps, store: Store) -> Iterator[Artifact]:
    wanted = request.loaded.image.output.artifacts
    assert wanted is not None
    esp = esp_of(request.layout)
    if esp is not None:
        content = reader.read(store.path(steps.filesystems[esp.key]) / FILESYSTEM)
        for item in wanted.items:
            if item in _WANTED:
                yield from _of_esp(content, item, esp)
    if ArtifactItem.VERITY_HASH in wanted.items:
        for data, device in signed_devices(request.layout):
            yield _of_hash(request.layout, device, _root_hash(data, device, steps, store))


def _root_hash(
    data: PartitionLayout, device: VerityLayout, steps: ImageSteps, store: Store
) -> bytes:
    """The root hash in hex digits: of a tree that was kept, or was made."""
    if device.root_hash:
        return device.root_hash.encode()
    key = data.key if device.inline else device.hashes
    return (store.path(steps.filesystems[key]) / ROOT_HASH).read_bytes().strip()


def _of_esp(content: Archive, item: ArtifactItem, esp: PartitionLayout) -> Iterator[Artifact]:
    taken: set[str] = set()
    for entry in content:
        at = entry.path.decode()
        for pattern, kind in _WANTED[item]:
            if entry.kind is not Kind.FILE or not pattern.fullmatch(at):
                continue
            below = PurePosixPath(at).relative_to("EFI/Linux") if item is ArtifactItem.UKIS else ""
            name = str(below) if below else PurePosixPath(at).name
            if name.lower() in taken:  # the same boot loader in two places
                name = "-".join(PurePosixPath(at).parts[-2:])
            taken.add(name.lower())
            yield Artifact(esp, f"/{at}", f"{item}/{name}", kind, content.read(entry.path))


def _of_hash(layout: DiskLayout, device: VerityLayout, root_hash: bytes) -> Artifact:
    """The root hash, to be signed. Its signature takes the place of the file that it is in: the
    kernel takes PKCS#7 of the hash's hex digits, without a line break.
    """
    partition, at = signature_place(layout, device)
    name = PurePosixPath(device.signature).name
    return Artifact(partition, at, f"{ArtifactItem.VERITY_HASH}/{name}", "verity-hash", root_hash)


def _inject_files(artifacts: list[Artifact]) -> str:
    """The file that has `inject-files` put them back. JSON's text is YAML's as well."""
    lines = ["injectFiles:"]
    for each in artifacts:
        lines += [
            "  - partition:",
            "      idType: part-uuid",
            f"      id: {each.partition.guid}",
            f"    destination: {json.dumps(each.at, ensure_ascii=False)}",
            f"    source: {json.dumps(f'./{each.path}', ensure_ascii=False)}",
            f"    type: {each.type}",
        ]
    return "\n".join([*lines, "previewFeatures:", "  - inject-files", ""])
