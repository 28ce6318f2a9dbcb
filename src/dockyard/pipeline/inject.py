"""Puts files into partitions of an image that is finished: all else of it stays byte for byte.

planned = plan_injection(config, image, target, format, store)   # judged, nothing is done
inject(planned, store, origins)                                  # the image is where it is wanted

What was signed elsewhere comes into an image so. The image itself is not written to: a new one
takes its place, whole, where no other place is named.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dockyard.config import LoadedInjectFiles, load_inject_files
from dockyard.engine.events import Listener, ignore
from dockyard.engine.store import Store
from dockyard.errors import DockyardError, Problem
from dockyard.filesystems.edit import EDITED, put_files
from dockyard.formats.containers import Container, RawDisk, container_of, raw_disk, raw_size
from dockyard.formats.disk_format import DiskFormat
from dockyard.host import seal
from dockyard.host.files import copy_sparse, data_ranges
from dockyard.host.files import digest as file_digest
from dockyard.inspection.disks import FoundDisk, FoundPartition, partitions_of
from dockyard.inspection.verity import find_trees
from dockyard.model.filesystems import MountIdType
from dockyard.model.image import InjectPartition
from dockyard.packages.origins import Origins
from dockyard.pipeline.output import misnamed, place, require_placeable
from dockyard.pipeline.rewritten import (
    disk_format,
    level_problems,
    make_build_dir,
    named_by,
    scratch_directory,
    wrap,
)
from dockyard.pipeline.telling import told
from dockyard.pipeline.together import Together
from dockyard.pipeline.untouched import require_untouched, stamp_of

if TYPE_CHECKING:
    from dockyard.tools.unpacked import ToolTrees

_PIECE = 1 << 20


@dataclass(frozen=True)
class PlannedInjection:
    """What goes into which image. container: what that comes in. stamp: what shows that it is still
    what it was. target: where the new image goes.
    """

    files: LoadedInjectFiles
    image: Path
    container: Container
    stamp: str
    format: DiskFormat
    level: int | None
    target: Path

    @property
    def remarks(self) -> tuple[Problem, ...]:
        """Warnings, to be shown before the work."""
        return tuple(misnamed(self.target, self.format.name, self.format.extension))


def plan_injection(
    config: Path,
    image: Path,
    target: Path | None,
    format_name: str | None,
    store: Store,
    level: int | None = None,
) -> PlannedInjection:
    """Judge what is to be done. target: default: the image itself. format_name: default: what the
    image comes in. Raises DockyardError with every mistake; those that only the disk shows come
    later for images that are no raw disks.
    """
    together = Together()
    files = together.get(lambda: load_inject_files(config))
    image = image.absolute()
    container = together.get(lambda: container_of(image))
    name = format_name or (str(container) if container else "raw")
    what = f"an image with files injected cannot be written in the format {name}"
    chosen = together.get(lambda: disk_format(name, "inject.format", what))
    together.extend(level_problems(chosen, level, "inject.level"))
    if container is not None and container.is_raw and files is not None:
        raw = RawDisk(image, raw_size(image, container), container)
        together.get(lambda: _targets(files, partitions_of(image, raw)))
    inputs = [config, *(files.source(item) for _, item in files.items)] if files else []
    inputs += [] if target is None else [image]
    placeable = together.get(lambda: require_placeable(target or image, inputs, store))
    together.raise_any()
    assert files is not None and container is not None
    assert chosen is not None and placeable is not None
    return PlannedInjection(files, image, container, stamp_of(image), chosen, level, placeable)


def inject(
    planned: PlannedInjection,
    store: Store,
    origins: Origins,
    listener: Listener = ignore,
    build_dir: Path | None = None,
) -> None:
    """Do what was planned. build_dir: where the raw disk is put meanwhile; default: beside the
    image. Enters the namespace. Raises DockyardError.
    """
    from dockyard.tools.trees import enter_tools

    make_build_dir(build_dir)
    identity = _identity(planned)
    tools = enter_tools(store.root, origins, listener)
    count = len(planned.files.items)
    title = f"Inject {count} file{'' if count == 1 else 's'} into {planned.image.name}"

    def write(out: Path) -> tuple[Path, ...]:
        def work() -> Path:
            with scratch_directory(build_dir, out) as scratch:
                return _write(planned, out, Path(scratch), tools)

        reason = "it is not there as the image and the files make it"
        return (told(listener, identity, title, reason, work),)

    place(write, identity, planned.target, store)


def _identity(planned: PlannedInjection) -> str:
    files = [
        [str(partition.id_type), partition.id, item.destination,
         file_digest(planned.files.source(item))]
        for partition, item in planned.files.items
    ]  # fmt: skip
    shaped = {
        "image": seal.content_digest(planned.image),
        "files": files,
        "level": planned.level,
        "name": planned.target.stem,
    }
    return named_by(__name__, planned.format.name, shaped)


def _write(planned: PlannedInjection, out: Path, scratch: Path, tools: ToolTrees) -> Path:
    raw = raw_disk(planned.image, scratch, tools.main)
    disk = raw.path
    if disk == planned.image:
        disk = scratch / "disk"
        copy_sparse(planned.image, disk, size=raw.size)
    require_untouched(planned.image, planned.stamp)
    found = partitions_of(planned.image, RawDisk(disk, raw.size, raw.container))
    for partition, files in _targets(planned.files, found):
        try:
            _edit(disk, partition, files, scratch, tools)
        except DockyardError as error:
            told = (_with_place(each, planned.files, partition, files) for each in error.problems)
            raise DockyardError(*told) from error
    image = out / f"{planned.target.stem}{planned.format.extension}"

    name, level, main = planned.target.stem, planned.level, tools.main
    wrap(planned.format, disk, raw.size, image, name, level, main, tools, scratch)
    return image


def _with_place(
    problem: Problem, files: LoadedInjectFiles, partition: FoundPartition, put: dict[str, Path]
) -> Problem:
    """A problem of too little room, told where the file first names the partition."""
    if problem.code != "inject.no-room":
        return problem
    index = next(n for n, (named, _) in enumerate(files.items) if _is_named(partition, named))
    size = sum(source.stat().st_size for source in put.values())
    called = f"{partition.entry.number} {partition.entry.name}".strip()
    why = f"partition {called} is to take {-(-size >> 20)} MiB of files beside those that it has"
    return files.problem((index, "partition", "id"), problem.code, problem.what, why=why,
                         fix=problem.fix)  # fmt: skip


def _targets(
    files: LoadedInjectFiles, disk: FoundDisk
) -> list[tuple[FoundPartition, dict[str, Path]]]:
    """The partitions that files go into, with those. Raises DockyardError with every mistake."""
    problems: list[Problem] = []
    targets: dict[int, tuple[FoundPartition, dict[str, Path]]] = {}
    sealed = {each.data for each in find_trees(disk.partitions)}
    for index, (named, item) in enumerate(files.items):
        found = [each for each in disk.partitions if _is_named(each, named)]
        why = _why_not(found, named, sealed)
        if why:
            at = (index, "partition", "id")
            problems.append(files.problem(at, "inject.partition", why[0], fix=why[1]))
            continue
        _, wanted = targets.setdefault(found[0].number, (found[0], {}))
        wanted[item.destination] = files.source(item)
    if problems:
        raise DockyardError(*problems)
    return list(targets.values())


def _is_named(partition: FoundPartition, named: InjectPartition) -> bool:
    names = {
        MountIdType.PART_UUID: str(partition.entry.guid),
        MountIdType.PART_LABEL: partition.entry.name,
        MountIdType.UUID: partition.content.uuid.lower() if partition.content else "",
        None: "",
    }
    exact = named.id_type is MountIdType.PART_LABEL
    return bool(named.id) and names[named.id_type] == (named.id if exact else named.id.lower())


def _why_not(
    found: list[FoundPartition], named: InjectPartition, sealed: set[int]
) -> tuple[str, str] | None:
    """What speaks against putting files into what an id names, and what to do."""
    see = "`dockyard inspect` shows the partitions of an image"
    if not found:
        return f"the image has no partition with the {named.id_type} {named.id}", see
    if len(found) > 1:
        return f"the image has several partitions with the {named.id_type} {named.id}", (
            "name it by its part-uuid"
        )
    content = found[0].content
    module = content.module if content else ""
    if module not in EDITED:
        kind = content.kind if content else "nothing that is known"
        return f"partition {found[0].number} holds {kind}", (
            f"name a partition with {' or '.join(EDITED)}"
        )
    if found[0].number in sealed:
        return f"partition {found[0].number} is checked by dm-verity, and would be no more", (
            "customize the image in place of that"
        )
    return None


def _edit(
    disk: Path, partition: FoundPartition, files: dict[str, Path], scratch: Path, tools: ToolTrees
) -> None:
    """Put files into a partition of a disk. Only what differs then is written to it."""
    assert partition.content is not None
    start, size = partition.entry.start, partition.entry.size
    image = scratch / "partition"
    copy_sparse(disk, image, start, size)
    place = scratch / "edited"
    place.mkdir()
    put_files(partition.content.module, image, files, tools.main, place)
    place.rmdir()
    with disk.open("r+b", buffering=0) as target, image.open("rb", buffering=0) as source:
        for low, high in data_ranges(source.fileno(), size):
            for at in range(low, high, _PIECE):
                piece = os.pread(source.fileno(), min(_PIECE, high - at), at)
                if os.pread(target.fileno(), len(piece), start + at) != piece:
                    os.pwrite(target.fileno(), piece, start + at)
    image.unlink()
