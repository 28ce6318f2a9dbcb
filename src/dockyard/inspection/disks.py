"""The disk of an image: its partitions, and what lies in each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from dockyard.disk import gpt
from dockyard.errors import DockyardError, Problem
from dockyard.filesystems.image import Region
from dockyard.filesystems.probe import Content, probe
from dockyard.formats.containers import Container, RawDisk, raw_disk
from dockyard.inspection.medium import Medium, medium_of

if TYPE_CHECKING:
    from dockyard.host.sandbox import Tools

_MBR_TABLE, _MBR_ENTRY = 446, 16
_SECTOR = 512


@dataclass(frozen=True, slots=True)
class FoundPartition:
    """A partition, and what lies in it. entry: of the partition table; a disk that is all one file
    system has one of number 0. content: None where nothing is known of it.
    """

    entry: gpt.TableEntry
    region: Region
    content: Content | None

    @property
    def number(self) -> int:
        return self.entry.number


@dataclass(frozen=True, slots=True)
class FoundDisk:
    """A disk. table: None for one that is all one file system, and for a medium: then that is the
    partition 0, and the image of a root on it the partition 1. partitions: by number. came_as: what
    was no disk before; empty for what came as one.
    """

    raw: RawDisk
    table: gpt.Table | None
    partitions: tuple[FoundPartition, ...]
    medium: Medium | None = None
    came_as: str = ""


def open_disk(image: Path, scratch: Path, tools: Tools) -> FoundDisk:
    """Find the partitions of an image, and what lies in them.

    scratch: a directory for the raw disk of an image that is none. Raises DockyardError, also for a
    disk with an MBR alone.
    """
    return partitions_of(image, raw_disk(image, scratch, tools))


def partitions_of(image: Path, raw: RawDisk) -> FoundDisk:
    """The same of a raw disk that is there. image: what it came in."""
    if raw.container is Container.ISO:
        return _of_medium(raw)
    table = _table(raw)
    if table is None:
        region = Region(raw.path, 0, raw.size)
        content = probe(region)
        if content is None or not content.module:
            raise _no_table(image, raw, content)
        alone = gpt.TableEntry(0, _NO_GUID, _NO_GUID, 0, raw.size)
        return FoundDisk(raw, None, (FoundPartition(alone, region, content),))
    found = []
    for entry in table.entries:
        region = Region(raw.path, entry.start, entry.size)
        content = probe(region) if entry.start + entry.size <= raw.size else None
        found.append(FoundPartition(entry, region, content))
    return FoundDisk(raw, table, tuple(found))


_NO_GUID = UUID(int=0)


def _of_medium(raw: RawDisk) -> FoundDisk:
    medium = medium_of(raw.path)
    regions = [Region(raw.path, 0, raw.size), *([medium.root] if medium.root else [])]
    found = tuple(
        FoundPartition(
            gpt.TableEntry(number, _NO_GUID, _NO_GUID, region.start, region.size),
            region,
            probe(region),
        )
        for number, region in enumerate(regions)
    )
    return FoundDisk(raw, None, found, medium)


def _table(raw: RawDisk) -> gpt.Table | None:
    with raw.path.open("rb") as disk:
        try:
            return gpt.read(disk, raw.size)
        except DockyardError:
            return None


def _no_table(image: Path, raw: RawDisk, content: Content | None) -> DockyardError:
    with raw.path.open("rb") as disk:
        first = disk.read(_SECTOR)
        disk.seek(4096)
        large_sectors = disk.read(8) == b"EFI PART"
    kinds = [first[_MBR_TABLE + 4 + _MBR_ENTRY * number] for number in range(4)] if first else []
    why, fix = "it has neither a partition table nor a file system that is known", ""
    if large_sectors:
        why = "its partition table is for sectors of 4096 bytes; those of 512 are supported"
    elif content is not None:
        why = f"it has no partition table, and holds {content.kind}"
    elif first[510:512] == b"\x55\xaa" and any(kinds):
        why = "it has an MBR partition table; GUID partition tables (GPT) are supported"
        fix = "convert its table, with sgdisk --mbrtogpt"
    fix = fix or "give a disk image with a GUID partition table, or the image of a file system"
    return DockyardError(
        Problem("image.no-table", "the image has no disk that can be read", str(image), why, fix)
    )
