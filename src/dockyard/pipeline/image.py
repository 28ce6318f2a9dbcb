"""The steps of one image, from its packages to the file that leaves the house."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dockyard import archive
from dockyard.disk.fstab import source
from dockyard.disk.growth import growth
from dockyard.disk.layout import FAT_TYPES, PartitionLayout
from dockyard.engine.plan import Step, Work
from dockyard.install.rpm import file_owners
from dockyard.pipeline.boot import initrd_step, uki_step
from dockyard.pipeline.checks import Built, image_questions
from dockyard.pipeline.disk import (
    DISK,
    ESP_MOUNT,
    PartitionContent,
    disk_step,
    filesystem_step,
    format_step,
    proof_step,
    swap_step,
)
from dockyard.pipeline.expected import FILE as EXPECTED
from dockyard.pipeline.expected import Expected, expected_of
from dockyard.pipeline.from_distro import wants_documents
from dockyard.pipeline.layers import TREE, layer_step, merged_archive, scratch_tree
from dockyard.pipeline.packages import packages_step
from dockyard.pipeline.request import ImageRequest
from dockyard.pipeline.toolbox import Toolbox
from dockyard.tree.additional import AdditionalDirectory, AdditionalFile, plain_path
from dockyard.tree.check import Question
from dockyard.tree.fstab import Fstab, Mount
from dockyard.tree.hostname import Hostname
from dockyard.tree.setting import Setting
from dockyard.tree.users import Group, User

MANIFEST = "manifest.jsonl"
REPORT = "report.json"

# What the initrd and the EFI partition are made from, beside the packages: files in these places,
# and every setting that may write there.
_BOOT_PLACES = tuple(
    f"{path}/"
    for path in (
        "/usr", "/lib", "/lib64", "/bin", "/sbin", "/boot", "/etc/systemd", "/etc/udev",
        "/etc/modprobe.d", "/etc/repart.d", "/etc/os-release", "/etc/ld.so.conf",
        "/etc/ld.so.conf.d", "/etc/crypttab", "/etc/passwd", "/etc/group",
    )
)  # fmt: skip


@dataclass(frozen=True)
class ImageSteps:
    """goal: the step whose result is the report. artefact: the step that has the image file, and
    its name. proofs: steps that read each file system back and compare it, for whoever wants that.
    """

    goal: Step
    artefact: Step
    artefact_name: str
    manifest: Step
    proofs: tuple[Step, ...]

    @property
    def wanted(self) -> tuple[Step, ...]:
        """The steps whose results are looked at when the image is built."""
        return self.goal, self.artefact, self.manifest


def image_steps(request: ImageRequest) -> ImageSteps:
    """All steps of an image."""
    epoch, toolbox = request.epoch, request.toolbox
    packages = packages_step(
        request.lock,
        request.lock_file,
        request.repositories,
        request.access,
        toolbox,
        epoch,
        request.unknown_names,
        documents=wants_documents(request.distro.distro, request.lock),
    )
    below = _layers(request, packages)
    boot_below = below if _has_scripts(request) else _boot_layers(below)
    initrd = initrd_step(
        request.loaded.image.os.initrd, boot_below, request.layout.initrd_filesystems, epoch
    )
    uki = uki_step(
        request.name,
        request.command_line,
        request.architecture,
        initrd,
        boot_below,
        toolbox,
        epoch,
    )
    parts, proofs, fat = [], [], []
    for partition in request.layout.partitions:
        if partition.swap:
            parts.append((partition.key, swap_step(partition, toolbox)))
        if partition.filesystem is None:
            continue
        boots = _boots(partition)
        content = PartitionContent(
            partition,
            request.layout,
            boot_below if boots else below,
            uki if boots else None,
            toolbox,
            epoch,
            request.architecture,
        )
        step = filesystem_step(content, request.partition_position(partition.number))
        parts.append((partition.key, step))
        proofs.append(proof_step(content, step))
        if partition.filesystem.type in FAT_TYPES and content.mount:
            fat.append(content)
    disk = disk_step(request.layout, parts)
    artefact, artefact_name = disk, DISK
    if request.format != "raw":
        artefact = format_step(request.format, disk, toolbox, request.seed, epoch)
        artefact_name = f"image{request.extension}"
    manifest = _manifest_step(below, fat, toolbox, epoch)
    goal = _report_step(request, artefact, artefact_name, manifest, packages)
    return ImageSteps(goal, artefact, artefact_name, manifest, tuple(proofs))


def questions_of(
    request: ImageRequest, manifest: Path | None, *, every_file: bool = False
) -> list[Question]:
    """What a booted guest is asked about an image. manifest: the result of the manifest's step,
    where the store has it. every_file: ask for the bytes of all files, not of a sample.
    """
    expected = Expected.load(manifest / EXPECTED) if manifest else None
    built = Built(manifest / MANIFEST, expected, every_file) if manifest and expected else None
    return image_questions(
        request.loaded,
        request.lock.packages,
        (*request.settings, _fstab(request)),
        request.command_line,
        request.layout,
        built,
    )


def shapes_boot(setting: Setting) -> bool:
    """Whether a setting may change what the initrd or the EFI partition is made from."""
    match setting:
        case Hostname() | Group() | User() | Fstab():
            return False
        case AdditionalFile(destination=destination):
            return _in_boot_place(destination)
        case AdditionalDirectory(content=content):
            return any(_in_boot_place(setting.target(path)) for path, _, _ in content)
        case _:
            return True


def _in_boot_place(path: str) -> bool:
    return f"{plain_path(path)}/".startswith(_BOOT_PLACES)


def _has_scripts(request: ImageRequest) -> bool:
    return bool(request.post_scripts or request.final_scripts)


def _layers(request: ImageRequest, packages: Step) -> tuple[Step, ...]:
    """The packages step and every layer over it, in order."""
    boot: list[Setting] = []
    other: list[Setting] = []
    for setting in request.settings:
        (boot if shapes_boot(setting) else other).append(setting)
    layers: Sequence[tuple[str, str, Sequence[Setting]]] = (
        ("boot-settings", "Apply settings that shape the boot", boot),
        ("settings", "Apply settings", [_fstab(request), *other]),
        ("scripts", "Run scripts", request.post_scripts),
        ("final-scripts", "Run final scripts", request.final_scripts),
    )
    below: tuple[Step, ...] = (packages,)
    for kind, title, settings in layers:
        if settings:
            below = (*below, layer_step(kind, title, settings, below, request.epoch))
    return below


def _boot_layers(below: tuple[Step, ...]) -> tuple[Step, ...]:
    return tuple(step for step in below if step.kind in ("packages", "boot-settings"))


def _boots(partition: PartitionLayout) -> bool:
    system = partition.filesystem
    return system is not None and any(mount.path == ESP_MOUNT for mount, _ in system.mounts)


def _fstab(request: ImageRequest) -> Fstab:
    mounts = []
    for partition in request.layout.partitions:
        system = partition.filesystem
        for mount, _ in system.mounts if system else ():
            kind = "vfat" if system and system.type in FAT_TYPES else str(system and system.type)
            at = request.partition_position(partition.number)
            options = tuple(mount.options.split(",")) if mount.options else ()
            found = Mount(mount.path, kind, source(partition, mount.id_type), options, at)
            mounts.append(found)
    swaps = tuple(source(item, None) for item in request.layout.partitions if item.swap)
    ordered = tuple(sorted(mounts, key=lambda mount: mount.path))
    return Fstab(request.fstab, ordered, swaps, growth(request.layout))


def _manifest_step(
    below: tuple[Step, ...], fat: Sequence[PartitionContent], toolbox: Toolbox, epoch: int
) -> Step:
    """The step that lists every file of an image, those of its FAT file systems as they are there:
    what it boots is in none of the trees.
    """
    places = [os.fsencode((content.mount or "").strip("/")) for content in fat]

    def work(work: Work) -> None:
        merged = merged_archive(work, below, epoch)
        tree = work.result(below[0]) / TREE
        tools = toolbox.trees.main
        owners = file_owners(tree, tools, work.out / "rpmdb")
        with scratch_tree(work, below) as whole:
            expected_of(merged, whole, tools).save(work.out / EXPECTED)
        for content, at in zip(fat, places, strict=True):
            part = content.part(content.whole(work), work)
            merged = archive.planted(merged, at, part)
        (work.out / MANIFEST).write_bytes(archive.manifest(merged, owners, places))

    booted = [step for content in fat for step in content.inputs]
    inputs = tuple({step.id: step for step in (toolbox.step, *below, *booted)}.values())
    identity = {"epoch": epoch, "fat": [content.mount for content in fat]}
    return Step("manifest", "List every file", identity, inputs, work)


def _report_step(
    request: ImageRequest, artefact: Step, artefact_name: str, manifest: Step, packages: Step
) -> Step:
    """The goal: a few facts about what was made."""

    def work(work: Work) -> None:
        with (work.result(manifest) / MANIFEST).open("rb") as file:
            listed = sum(1 for _ in file)
        found = (work.result(artefact) / artefact_name).stat()
        facts = {
            "name": request.name,
            "format": request.format,
            "size": found.st_size,
            "used": found.st_blocks * 512,
            "packages": len(request.lock.packages),
            "files": listed,
        }
        (work.out / REPORT).write_text(json.dumps(facts, indent=1, sort_keys=True) + "\n")

    identity = {"name": request.name, "format": request.format}
    return Step("image", f"Image {request.name}", identity, (artefact, manifest, packages), work)
