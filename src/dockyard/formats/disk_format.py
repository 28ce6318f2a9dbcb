"""What formats that hold a disk have in common: the disk is put together of its parts, or is there
already, and is wrapped.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from dockyard.disk.assemble import assemble
from dockyard.errors import DockyardError, Problem
from dockyard.formats.parts import AnyFormat, Part, Parts

if TYPE_CHECKING:
    from dockyard.formats.system import Describe
    from dockyard.host.sandbox import Tools

SECTOR = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrapping:
    """What a format takes from an image beside its disk. See Parts for all of them."""

    name: str
    seed: bytes
    epoch: int
    level: int | None = None
    describe: Describe | None = None


class DiskFormat(AnyFormat):
    """A format that holds a disk. is_compressed: whether it has levels of compression. is_whole:
    whether it has all of the disk, also what is in no partition.
    """

    extension: ClassVar[str]
    needs: ClassVar[frozenset[Part]] = frozenset((Part.DISK,))
    runs_programs: ClassVar[bool] = False
    is_compressed: ClassVar[bool] = False
    is_whole: ClassVar[bool] = True

    def write(self, parts: Parts, out: Path, tools: Tools) -> tuple[Path, ...]:
        """See Format.write."""
        image = out / f"{parts.name}{self.extension}"
        with assembled(parts, image) as disk:
            self.wrap(disk, disk.stat().st_size, image, wrapping(parts), tools)
        return (image,)

    def wrap(self, disk: Path, size: int, image: Path, given: Wrapping, tools: Tools) -> None:
        """Write the first `size` bytes of a file, a raw disk, as an image that appears when it is
        whole. Equal disks give equal bytes. Raises DockyardError.
        """
        raise NotImplementedError


def wrapping(parts: Parts) -> Wrapping:
    """What a format takes of an image's parts beside the disk."""
    return Wrapping(
        name=parts.name,
        seed=parts.seed,
        epoch=parts.epoch,
        level=parts.level,
        describe=parts.describe,
    )


@contextmanager
def assembled(parts: Parts, image: Path) -> Iterator[Path]:
    """The raw disk of an image, beside where the image is to be, for the length of a block."""
    assert parts.layout is not None
    disk = image.with_name(f".{image.name}.disk")
    try:
        assemble(parts.layout, parts.partitions, disk)
        yield disk
    finally:
        disk.unlink(missing_ok=True)


def aligned(size: int, to: int) -> int:
    """The next multiple that is no less."""
    return -(-size // to) * to


def require_size(size: int, most: int, format_name: str) -> None:
    """Raise DockyardError where a format cannot hold a disk of this size."""
    if size > most:
        raise DockyardError(
            Problem(
                "formats.disk-too-large",
                f"a disk of {size} bytes is too large for the format {format_name}",
                why=f"it holds {most >> 30} GiB at most",
                fix="choose another format, such as qcow2",
            )
        )
