"""What the metadata of a COSI file says of its disk: judged as the text of a stranger."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from dockyard.disk import gpt
from dockyard.formats.cosi_metadata import IMAGES, PARTITION, PRIMARY

_LARGEST_DISK = 64 << 40
_LARGEST_TABLE = gpt.FIRST_USABLE * gpt.SECTOR + (1 << 24)
_DEFAULT_WINDOW = 27
_MAJOR, _LEAST_MINOR = 1, 2


@dataclass(frozen=True, slots=True)
class Part:
    """A compressed part of the file. See StoredImage."""

    path: str
    size: int
    stored: int
    sha384: str
    number: int | None


@dataclass(frozen=True, slots=True)
class Claimed:
    """size: bytes of the disk. first: the part of the first partition table."""

    size: int
    window_log: int
    first: Part
    partitions: tuple[Part, ...]


def claims(text: bytes) -> Claimed:
    """What a `metadata.json` says of the disk. Raises ValueError for what cannot be right."""
    told = _object(json.loads(text), "metadata.json")
    _require_version(told.get("version"))
    disk = _object(told.get("disk"), "disk")
    if disk.get("type") != "gpt" or disk.get("lbaSize") != gpt.SECTOR:
        raise ValueError("its disk does not have a GUID partition table with sectors of 512 bytes")
    size = _number(disk.get("size"), "disk.size", _LARGEST_DISK)
    if size % gpt.SECTOR:
        raise ValueError("the size of its disk is not that of whole sectors")
    regions = disk.get("gptRegions")
    if not isinstance(regions, list) or not regions:
        raise ValueError("disk.gptRegions is no list of regions")
    parts = [_part(_object(each, "a region"), size) for each in regions]
    first, *partitions = parts
    if first.number is not None or any(part.number is None for part in partitions):
        raise ValueError("its first region, and no other, must be the primary partition table")
    if first.size > _LARGEST_TABLE:
        raise ValueError(f"its partition table has {first.size} bytes")
    if len({part.number for part in parts}) < len(parts):
        raise ValueError("two regions are of the same partition")
    compression = told.get("compression")
    window = _DEFAULT_WINDOW
    if compression is not None:
        told_window = _object(compression, "compression").get("maxWindowLog")
        window = _number(told_window, "compression.maxWindowLog", 31)
    return Claimed(size, window, first, tuple(partitions))


def _require_version(version: Any) -> None:
    numbers = str(version).split(".")
    if len(numbers) != 2 or not all(each.isascii() and each.isdecimal() for each in numbers):
        raise ValueError(f"its version is {str(version)[:20]!r}")
    if any(len(each) > 4 for each in numbers):
        raise ValueError("its version is none that there is")
    major, minor = map(int, numbers)
    if major != _MAJOR:
        raise ValueError(f"it is of revision {version}; those of 1.2 and later 1.x are read")
    if minor < _LEAST_MINOR:
        raise ValueError(f"it is of revision {version}, which does not have the partition table; "
                         "1.2 and later have it")  # fmt: skip


def _part(region: dict[str, Any], disk_size: int) -> Part:
    kind = region.get("type")
    if kind not in (PRIMARY, PARTITION):
        raise ValueError(f"a region is of the type {str(kind)[:40]!r}, which is not read")
    number = None
    if kind == PARTITION:
        number = _number(region.get("number"), "the number of a region", 1 << 20)
    image = _object(region.get("image"), "the image of a region")
    path, digest = image.get("path"), image.get("sha384")
    if not isinstance(path, str) or not path.startswith(IMAGES):
        raise ValueError(f"a part is not below {IMAGES}")
    if not isinstance(digest, str) or len(digest) != 96:
        raise ValueError(f"the SHA-384 of {path} is none")
    size = _number(image.get("uncompressedSize"), f"the size of {path}", disk_size)
    stored = _number(image.get("compressedSize"), f"the compressed size of {path}", disk_size * 2)
    return Part(path, size, stored, digest.lower(), number)


def _object(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{what} is no object")
    return value


def _number(value: Any, what: str, most: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise ValueError(f"{what} is no number from 0 to {most}")
    return value
