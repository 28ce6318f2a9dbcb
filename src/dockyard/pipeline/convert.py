"""Writes the disk of an image in another format: the same disk, byte for byte.

planned = plan_conversion(image, format, target, store)     # judged, nothing is done
converted = convert(planned, store, origins)                # the image is where it is wanted

It is no step: nothing is made of it, and keeping it in the store would keep it twice. Ids that the
format carries are made of the content of the disk, so that the same disk in whatever container
gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dockyard.engine.events import Listener, ignore
from dockyard.engine.store import Store
from dockyard.errors import Problem, Severity
from dockyard.formats.containers import Container, RawDisk, container_of, raw_disk
from dockyard.formats.disk_format import DiskFormat
from dockyard.host import seal
from dockyard.packages.origins import Origins
from dockyard.pipeline.output import is_placed, misnamed, place, require_placeable
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

# What the names of parts begin with: that of the file would make equal disks differ.
_NAME = "disk"


@dataclass(frozen=True, slots=True)
class PlannedConversion:
    """An image that was looked at. container: what it comes in. stamp: what shows that it is still
    what it was. target: where the new image goes.
    """

    image: Path
    container: Container
    stamp: str
    format: DiskFormat
    level: int | None
    target: Path

    @property
    def runs_programs(self) -> bool:
        """Whether it takes the tools, and the namespace."""
        return self.format.runs_programs or self.container.by_programs

    @property
    def remarks(self) -> tuple[Problem, ...]:
        """Warnings, to be shown before the work."""
        return tuple(misnamed(self.target, self.format.name, self.format.extension))


@dataclass(frozen=True, slots=True)
class Converted:
    """An image that was converted. disk: bytes of the disk; None where it was there already.
    placed: whether it was written now. remarks: what is not in it as it was in the other one.
    """

    path: Path
    disk: int | None
    placed: bool
    remarks: tuple[Problem, ...] = ()


def plan_conversion(
    image: Path, format_name: str, target: Path, store: Store, level: int | None = None
) -> PlannedConversion:
    """Judge a conversion by the command line and the head of the image. Raises DockyardError with
    every mistake.
    """
    together = Together()
    image = image.absolute()
    container = together.get(lambda: container_of(image))
    what = f"a disk cannot be converted to {format_name}"
    chosen = together.get(lambda: disk_format(format_name, "convert.format", what))
    together.extend(level_problems(chosen, level, "convert.level"))
    placeable = together.get(lambda: require_placeable(target, [image], store))
    together.raise_any()
    assert container is not None and chosen is not None and placeable is not None
    return PlannedConversion(image, container, stamp_of(image), chosen, level, placeable)


def convert(
    planned: PlannedConversion,
    store: Store,
    origins: Origins,
    listener: Listener = ignore,
    build_dir: Path | None = None,
) -> Converted:
    """Do what was planned. build_dir: where a raw disk is put meanwhile; default: beside the image.
    Enters the namespace where programs are run. Raises DockyardError.
    """
    from dockyard.tools.trees import enter_tools

    make_build_dir(build_dir)
    identity = _identity(planned)
    if is_placed(identity, planned.target, store):
        return Converted(planned.target, None, placed=False)
    tools = enter_tools(store.root, origins, listener) if planned.runs_programs else None
    done: list[tuple[int, tuple[Problem, ...]]] = []
    title = f"Convert {planned.image.name} to {planned.format.name}"

    def write(out: Path) -> tuple[Path, ...]:
        def work() -> Path:
            with scratch_directory(build_dir, out) as scratch:
                made, *more = _write(planned, out, Path(scratch), tools)
                done.extend(more)
                return made

        reason = "it is not there as the image makes it"
        return (told(listener, identity, title, reason, work),)

    place(write, identity, planned.target, store)
    ((size, remarks),) = done
    return Converted(planned.target, size, placed=True, remarks=remarks)


def _identity(planned: PlannedConversion) -> str:
    shaped = {
        "image": seal.content_digest(planned.image),
        "size": planned.image.stat().st_size,
        "container": planned.container,
        "level": planned.level,
    }
    return named_by(__name__, planned.format.name, shaped)


def _write(
    planned: PlannedConversion, out: Path, scratch: Path, tools: ToolTrees | None
) -> tuple[Path, tuple[int, tuple[Problem, ...]]]:
    """Write the new image into a directory, and give it, the size of its disk, and remarks."""
    from dockyard.host.sandbox import Tools

    # What runs no programs does not look at it.
    main = tools.main if tools else Tools(scratch)
    raw = raw_disk(planned.image, scratch, main)
    image = out / f"{_NAME}{planned.format.extension}"

    if planned.format.name == "raw" and raw.path != planned.image:
        raw.path.rename(image)
    else:
        chosen, level = planned.format, planned.level
        wrap(chosen, raw.path, raw.size, image, _NAME, level, main, tools, scratch)
    require_untouched(planned.image, planned.stamp)
    return image, (raw.size, tuple(_lost(planned, raw)))


def _lost(planned: PlannedConversion, raw: RawDisk) -> Iterator[Problem]:
    """A warning for what is not the same in the new image."""
    from dockyard.formats.vhd_fixed import ALIGNMENT

    where = str(planned.target)
    if planned.format.name == "vhd-fixed" and raw.size % ALIGNMENT:
        yield Problem(
            "convert.grown",
            f"the disk grew by {-raw.size % ALIGNMENT} bytes to whole mebibytes",
            where,
            why="Azure takes no other; the second partition table is no longer at its end",
            fix="the system takes the first one; `sgdisk -e` moves the second to the end",
            severity=Severity.WARNING,
        )
    if not planned.format.is_whole:
        from dockyard.formats.cosi_regions import data_outside

        if count := data_outside(raw.path, raw.size):
            yield Problem(
                "convert.outside",
                f"{count} bytes of the disk are in no partition, and not in the new image",
                where,
                why=f"the format {planned.format.name} has partitions only",
                fix="nothing, where it is what an earlier partition left",
                severity=Severity.WARNING,
            )
