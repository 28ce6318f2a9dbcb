"""What /etc/fstab of an image that exists has beside its own disk: kept when the disk is laid out
anew.

A line that names a partition, a file system or a swap space of the old disk goes with it. All
others stay as they are, comments too: memory, networks, disks of data. What may or may not be on
the old disk, such as /dev/sda3, is not guessed at (fstab(5)).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

_DISKS = re.compile(r"/dev/(sd|vd|xvd|hd|nvme|mmcblk|dasd)[a-z0-9]+$")
_TAGS = {
    "/dev/disk/by-uuid/": "UUID",
    "/dev/disk/by-partuuid/": "PARTUUID",
    "/dev/disk/by-label/": "LABEL",
    "/dev/disk/by-partlabel/": "PARTLABEL",
}
_WITHOUT_CASE = ("UUID", "PARTUUID")


_ESCAPED = re.compile(rb"\\(?:([0-3][0-7]{2})|x([0-9A-Fa-f]{2}))")


@dataclass(frozen=True, slots=True)
class Line:
    """A line of fstab(5) that mounts or swaps something. number: counted from 1. at: the mount
    point, `none` or `swap`.
    """

    number: int
    text: str
    source: str
    at: str
    options: tuple[str, ...]


def lines(fstab: str) -> Iterator[Line | str]:
    """The lines of a table; what mounts nothing, such as a comment, as it is."""
    for number, text in enumerate(fstab.splitlines(), 1):
        fields = text.split()
        if len(fields) < 3 or fields[0].startswith("#"):
            yield text
            continue
        options = tuple(fields[3].split(",")) if len(fields) > 3 else ()
        at = unescaped(fields[1])
        yield Line(number, text, fields[0], at.rstrip("/") or "/", options)


def unescaped(field: str) -> str:
    """A field of fstab(5), or the name of a link of udev's: bytes in octal or as `\\x20`."""
    raw = field.encode(errors="surrogateescape")
    found = _ESCAPED.sub(
        lambda match: bytes([int(match[1], 8) & 0xFF if match[1] else int(match[2], 16)]), raw
    )
    return found.decode(errors="surrogateescape")


def named(source: str) -> tuple[str, str] | None:
    """What the first field names a partition by: a tag and a value; None where it does not."""
    for path, tag in _TAGS.items():
        if source.startswith(path):
            source = f"{tag}={source.removeprefix(path)}"
    tag, equals, value = source.partition("=")
    if not equals or tag not in _TAGS.values():
        return None
    value = unescaped(value.strip('"'))
    return tag, value.lower() if tag in _WITHOUT_CASE else value


def kept_beside(
    fstab: str, own: Collection[tuple[str, str]], mounted: Collection[str]
) -> tuple[list[Line | str], list[Line]]:
    """The lines to keep, and those that cannot be told: they name a disk by its place.

    own: what the old disk's parts are named by. mounted: where the new one is mounted, which takes
    the place of what names a disk by its place there.
    """
    kept: list[Line | str] = []
    unclear: list[Line] = []
    for line in lines(fstab):
        if isinstance(line, str):
            kept.append(line)
            continue
        if named(line.source) in own or line.source.startswith("/dev/mapper/"):
            continue
        if _DISKS.match(line.source):
            if line.at not in mounted:
                unclear.append(line)
            continue
        kept.append(line)
    return kept, unclear


def with_others(own: str, kept: list[Line | str]) -> str:
    """The table of a new disk with the lines that are kept, comments first as they were."""
    texts = [line if isinstance(line, str) else line.text for line in kept]
    head = 0
    while head < len(texts) and (not texts[head].strip() or texts[head].lstrip().startswith("#")):
        head += 1
    parts = ["".join(f"{text}\n" for text in part) for part in (texts[:head], texts[head:])]
    return parts[0] + own + parts[1]
