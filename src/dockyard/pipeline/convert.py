"""Writes the disk of an image in another format: the same disk, byte for byte.

planned = plan_conversion(image, format, target, store)     # judged, nothing is done
converted = convert(planned, store, origins)                # the image is where it is wanted

It is no step: nothing is made of it, and keeping it in the store would keep it twice. Ids that the
format carries are made of the content of the disk, so that the same disk in whatever container
gives the same bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from dockyard.engine.code import code_of
from dockyard.engine.events import Listener, StepFinished, StepStarted, ignore, unfinished
from dockyard.engine.store import Store
from dockyard.errors import DockyardError, Problem, Severity
from dockyard.formats import Part, supported
from dockyard.formats import by_name as format_by_name
from dockyard.formats.blocks import content_seed
from dockyard.formats.containers import Container, RawDisk, container_of, raw_disk
from dockyard.formats.disk_format import DiskFormat, Wrapping
from dockyard.host import clock, namespace, seal
from dockyard.model.output import ImageFormat
from dockyard.packages.deb.sources import Origins
from dockyard.pipeline.artefact import shaping_modules
from dockyard.pipeline.output import is_placed, misnamed, place, require_placeable
from dockyard.pipeline.together import Together
from dockyard.pipeline.untouched import require_untouched, stamp_of

if TYPE_CHECKING:
    from dockyard.formats.system import System
    from dockyard.tools.unpacked import ToolTrees

# Seconds since 1970 for formats that note a time: the content of a disk has none.
_EPOCH = 0
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
        own = (Container.RAW, Container.VHD_FIXED, Container.COSI, Container.BAREMETAL_IMAGE)
        return self.format.runs_programs or self.container not in own

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


def disk_formats() -> tuple[str, ...]:
    """The names of the formats that hold a disk, in the order of the reference."""
    written = supported()
    return tuple(
        str(each)
        for each in ImageFormat
        if each in written and Part.DISK in format_by_name(each).needs
    )


def plan_conversion(
    image: Path, format_name: str, target: Path, store: Store, level: int | None = None
) -> PlannedConversion:
    """Judge a conversion by the command line and the head of the image. Raises DockyardError with
    every mistake.
    """
    together = Together()
    image = image.absolute()
    container = together.get(lambda: container_of(image))
    chosen = together.get(lambda: _disk_format(format_name))
    if chosen is not None and level is not None and Part.SYSTEM not in chosen.needs:
        together.extend([_no_level(format_name)])
    placeable = together.get(lambda: require_placeable(target, [image], store))
    together.raise_any()
    assert container is not None and chosen is not None and placeable is not None
    return PlannedConversion(image, container, stamp_of(image), chosen, level, placeable)


def _disk_format(name: str) -> DiskFormat:
    if name in disk_formats():
        chosen = format_by_name(name)
        assert isinstance(chosen, DiskFormat)
        return chosen
    why = "it does not hold a disk" if name in supported() else ""
    raise DockyardError(
        Problem(
            "convert.format",
            f"a disk cannot be converted to {name}",
            why=why,
            fix=f"choose one of: {', '.join(disk_formats())}",
        )
    )


def _no_level(format_name: str) -> Problem:
    return Problem(
        "convert.level",
        f"--cosi-compression-level does nothing for the format {format_name}",
        fix="leave it out, or choose the format cosi or baremetal-image",
    )


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
    if build_dir is not None:
        _make(build_dir)
    identity = _identity(planned)
    if is_placed(identity, planned.target, store):
        return Converted(planned.target, None, placed=False)
    tools = _tools(store, origins) if planned.runs_programs else None
    done: list[tuple[int, tuple[Problem, ...]]] = []
    title = f"Convert {planned.image.name} to {planned.format.name}"

    def write(out: Path) -> tuple[Path, ...]:
        listener(StepStarted(identity, title, "it is not there as the image makes it"))
        began = clock.monotonic()
        try:
            with TemporaryDirectory(prefix=".convert-", dir=build_dir or out) as scratch:
                made, *told = _write(planned, out, Path(scratch), tools)
                done.extend(told)
        except BaseException as error:
            listener(unfinished(error)(identity, title, clock.monotonic() - began))
            raise
        listener(StepFinished(identity, title, clock.monotonic() - began))
        return (made,)

    place(write, identity, planned.target, store)
    ((size, remarks),) = done
    return Converted(planned.target, size, placed=True, remarks=remarks)


def _make(build_dir: Path) -> None:
    try:
        build_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        why = error.strerror or str(error)
        what = "the directory for the raw disk cannot be made"
        fix = "choose another one with --build-dir"
        raise DockyardError(Problem("convert.build-dir", what, str(build_dir), why, fix)) from error


def _identity(planned: PlannedConversion) -> str:
    """What names the new image, by all that it is made of."""
    shaped = {
        "image": seal.content_digest(planned.image),
        "size": planned.image.stat().st_size,
        "container": planned.container,
        "format": planned.format.name,
        "level": planned.level,
        "code": code_of(__name__, *shaping_modules(planned.format.name)),
    }
    text = json.dumps(shaped, sort_keys=True)
    return f"image-{hashlib.sha256(text.encode()).hexdigest()[:40]}"


def _tools(store: Store, origins: Origins) -> ToolTrees:
    from dockyard.tools.trees import tools_tree

    namespace.enter()
    return tools_tree(store.root, origins=origins)


def _write(
    planned: PlannedConversion, out: Path, scratch: Path, tools: ToolTrees | None
) -> tuple[Path, tuple[int, tuple[Problem, ...]]]:
    """Write the new image into a directory, and give it, the size of its disk, and remarks."""
    from dockyard.host.sandbox import Tools

    # What runs no programs does not look at it.
    main = tools.main if tools else Tools(scratch)
    raw = raw_disk(planned.image, scratch, main)
    image = out / f"{_NAME}{planned.format.extension}"

    def describe(disk: Path, size: int) -> System:
        from dockyard.inspection.described import describe as describe_system

        assert tools is not None
        return describe_system(disk, size, scratch, tools)

    if planned.format.name == "raw" and raw.path != planned.image:
        raw.path.rename(image)
    else:
        given = Wrapping(
            name=_NAME,
            seed=content_seed(raw.path, raw.size),
            epoch=_EPOCH,
            level=planned.level,
            describe=describe,
        )
        planned.format.wrap(raw.path, raw.size, image, given, main)
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
    if Part.SYSTEM in planned.format.needs:
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
