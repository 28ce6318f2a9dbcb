"""Disks and partitions of an image file (`storage.disks`), and the rules of where they are.

Sizes and places are bytes; the table is a GPT.
"""

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from dockyard.model.base import ANY, MIB, Mistake, Model, Segment
from dockyard.model.fields import Mark, Reading, Size, field

# Both copies of the partition table take less than this; 1 MiB keeps partitions aligned.
GPT_HEADER = MIB
GPT_FOOTER = MIB
LONGEST_LABEL = 35
# What decides where the partitions of a disk are placed.
_PLACES: tuple[tuple[Segment, ...], ...] = tuple(
    ("partitions", ANY, key) for key in ("start", "end", "size")
)


class PartitionTableType(StrEnum):
    GPT = "gpt"


class PartitionType(StrEnum):
    """Partition types with a name; any other is written as its GUID."""

    ESP = "esp"
    BIOS_GRUB = "bios-grub"
    HOME = "home"
    LINUX_GENERIC = "linux-generic"
    ROOT = "root"
    ROOT_VERITY = "root-verity"
    SRV = "srv"
    SWAP = "swap"
    TMP = "tmp"
    USR = "usr"
    USR_VERITY = "usr-verity"
    VAR = "var"
    XBOOTLDR = "xbootldr"


PartitionSize: TypeAlias = Annotated[int | Literal["grow"], Reading.SIZE_OR_GROW]


class Partition(Model):
    """One partition of a disk."""

    schema_rules: ClassVar[dict[str, Any]] = {"not": {"required": ["end", "size"]}}

    id: str = field(
        "Name by which the rest of the file refers to the partition.",
        default="",
        examples=["rootfs"],
    )
    label: str = field(
        "Name in the partition table (PARTLABEL): ASCII, up to 35 characters.",
        default="",
        examples=["root"],
    )
    start: Size | None = field(
        "Where the partition starts. Default: where the one before it ends, or 1M.",
        default=None,
        examples=["1M"],
    )
    end: Size | None = field(
        "Where the partition ends (exclusive). Excludes `size`.", default=None, examples=["9M"]
    )
    size: PartitionSize | None = field(
        "Size of the partition, or `grow` to fill the rest of the disk. Only the last "
        "partition may grow, which is also its default.",
        default=None,
        examples=["2G", "grow"],
    )
    type: PartitionType | Annotated[str, Mark.GUID] | None = field(
        "Name of the partition type, or its GUID. Default: `linux-generic`.",
        default=None,
        examples=["esp", "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"],
    )

    @property
    def grows(self) -> bool:
        """Whether the partition takes what is left of the disk."""
        return self.end is None and self.size in (None, "grow")

    def mistakes(self) -> Iterator[Mistake]:
        if not self.label.isascii() or not self.label.isprintable():
            odd = "control characters" if self.label.isascii() else "characters outside ASCII"
            yield Mistake(
                ("label",),
                "config.partition-label",
                f"the label has {odd}",
                "use letters, digits and punctuation of ASCII",
                reads=(("label",),),
            )
        if len(self.label) > LONGEST_LABEL:
            yield Mistake(
                ("label",),
                "config.partition-label",
                f"the label is {len(self.label)} characters long",
                f"use at most {LONGEST_LABEL}",
                "a partition table has no room for more",
                reads=(("label",),),
            )
        if self.end is not None and self.size is not None:
            yield Mistake(
                ("size",),
                "config.exclusive",
                "`end` and `size` exclude each other",
                "keep one of them",
                reads=(("start",), ("end",), ("size",)),
            )
        elif self.size == 0:
            yield Mistake(
                ("size",),
                "config.partition-size",
                "the partition has no size",
                "give 1M or more",
                reads=(("start",), ("end",), ("size",)),
            )
        elif self.end is not None and self.start is not None and self.end <= self.start:
            yield Mistake(
                ("end",),
                "config.partition-size",
                "the partition ends before it starts",
                f"give an `end` beyond {_mib(self.start)}",
                reads=(("start",), ("end",), ("size",)),
            )


class Disk(Model):
    """The partition table of a disk."""

    partition_table_type: PartitionTableType = field(
        "Kind of the partition table.", default=PartitionTableType.GPT, examples=["gpt"]
    )
    max_size: Size | None = field(
        "Size of the disk. Default: as much as the partitions and the table need, which "
        "requires the last partition to have an end or a size.",
        default=None,
        examples=["4G"],
    )
    partitions: tuple[Partition, ...] = field(
        "The partitions, in the order in which they are on the disk.", default=()
    )

    @property
    def extents(self) -> tuple[tuple[int, int | None], ...]:
        """Start and end of each partition in bytes; the end is None where it grows."""
        found: list[tuple[int, int | None]] = []
        following: int | None = GPT_HEADER
        for partition in self.partitions:
            start = partition.start
            if start is None:
                start = following if following is not None else found[-1][0]
            end = partition.end
            if end is None and isinstance(partition.size, int):
                end = start + partition.size
            found.append((start, end))
            following = end
        return tuple(found)

    def mistakes(self) -> Iterator[Mistake]:
        if self.max_size == 0:
            yield Mistake(
                ("maxSize",),
                "config.disk-size",
                "the disk has no size",
                "give 1M or more",
                reads=(("maxSize",),),
            )
        spans = self.extents
        for index in range(len(spans)):
            yield from _place(self, spans, index)
        yield from _fit(self, spans)


def _mib(size: int) -> str:
    return f"{size // MIB}M"


def _named(partition: Partition) -> str:
    return f"partition `{partition.id}`" if partition.id else "the partition"


def _place(disk: Disk, spans: tuple[tuple[int, int | None], ...], index: int) -> Iterator[Mistake]:
    partition, (start, end) = disk.partitions[index], spans[index]
    at: tuple[Segment, ...] = ("partitions", index)
    if start < GPT_HEADER:
        yield Mistake(
            (*at, "start"),
            "config.partition-place",
            f"{_named(partition)} starts at {_mib(start)}",
            "start at 1M or later",
            "the first 1 MiB of a disk holds the partition table",
            reads=_PLACES,
        )
    if partition.type == "bios-grub" and start != GPT_HEADER:
        yield Mistake(
            (*at, "start"),
            "config.partition-place",
            f"the bios-grub partition starts at {_mib(start)}",
            "make it the first partition, at 1M",
            reads=(*_PLACES, (*at, "type")),
        )
    if end is not None and partition.start is None and end <= start:
        yield Mistake(
            (*at, "end" if partition.end is not None else "size"),
            "config.partition-size",
            f"{_named(partition)} ends before it starts, at {_mib(start)}",
            f"give an `end` beyond {_mib(start)}",
            reads=_PLACES,
        )
    if index + 1 < len(spans):
        following = spans[index + 1][0]
        if end is None:
            yield Mistake(
                at,
                "config.partition-grow",
                f"{_named(partition)} grows but is not the last",
                "give it a `size`; only the last partition may grow",
                reads=_PLACES,
            )
        elif following < start:
            yield Mistake(
                (*at[:1], index + 1, "start"),
                "config.partition-order",
                f"{_named(disk.partitions[index + 1])} starts at {_mib(following)}, before "
                f"{_named(partition)}, which is listed before it and starts at {_mib(start)}",
                "list partitions in the order of their places on the disk",
                reads=_PLACES,
            )
        elif following < end:
            yield Mistake(
                (*at[:1], index + 1, "start"),
                "config.partition-overlap",
                f"{_named(disk.partitions[index + 1])} starts at {_mib(following)}, inside "
                f"{_named(partition)}, which ends at {_mib(end)}",
                f"start it at {_mib(end)}, or leave `start` out",
                reads=_PLACES,
            )


def _fit(disk: Disk, spans: tuple[tuple[int, int | None], ...]) -> Iterator[Mistake]:
    last_start, last_end = spans[-1] if spans else (GPT_HEADER, GPT_HEADER)
    if disk.max_size is None:
        if not spans or last_end is None:
            yield Mistake(
                ("partitions", len(spans) - 1) if spans else (),
                "config.disk-size",
                "the size of the disk is not given",
                "add `maxSize` to the disk, or a `size` to the last partition",
                reads=(("maxSize",), *_PLACES),
            )
        return
    needed = (last_end if last_end is not None else last_start + MIB) + GPT_FOOTER
    if spans and 0 < disk.max_size < needed:
        yield Mistake(
            ("maxSize",),
            "config.disk-size",
            f"the disk is {_mib(disk.max_size)}, but its partitions need {_mib(needed)}",
            f"set `maxSize: {_mib(needed)}` or more, or shrink the partitions",
            "the partition table takes 1 MiB at each end",
            reads=(("maxSize",), *_PLACES),
        )
