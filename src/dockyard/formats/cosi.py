"""cosi: a tar file of the disk's partitions, each compressed, with metadata of the system on it.

Composable OS Image 1.2: an empty `cosi-marker`, `metadata.json`, then in the order of the disk the
region of the first partition table and every partition, as zstd. Before the frame of each goes one
that is skipped and has the image's UUID. zstd is that of the tools tree, with a fixed way of
dividing the work, so that the bytes are the same on every machine; the UUID is made of the
disk's content where the image does not have one.
"""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING
from uuid import UUID

from dockyard.disk.identity import derive
from dockyard.disk.output import whole
from dockyard.errors import Problem, Problems
from dockyard.formats import ustar
from dockyard.formats.blocks import content_seed
from dockyard.formats.cosi_metadata import IMAGES, MARKER, METADATA, StoredImage, metadata
from dockyard.formats.cosi_regions import Region, piped, regions
from dockyard.formats.disk_format import DiskFormat, Wrapping
from dockyard.formats.parts import Part
from dockyard.formats.system import System
from dockyard.host import removal
from dockyard.host.files import copy_range

if TYPE_CHECKING:
    from dockyard.host.sandbox import Tools

DEFAULT_LEVEL = 9
WINDOW_LOG = 27
SKIPPABLE = 0x184D2A50
_PIECE = 1 << 20
_ULTRA = 20  # the first level that zstd asks to be sure of, for the memory that it takes
# Any number of threads gives the same bytes; none, which is another way of working, does not.
_THREADS, _ULTRA_THREADS = 2, 1


class Cosi(DiskFormat):
    name = "cosi"
    extension = ".cosi"
    needs = frozenset((Part.DISK, Part.SYSTEM))
    runs_programs = True
    is_compressed = True
    is_whole = False
    level = DEFAULT_LEVEL
    window_log = WINDOW_LOG

    def wrap(self, disk: Path, size: int, image: Path, given: Wrapping, tools: Tools) -> None:
        with whole(image) as part, part.open("xb") as out:
            self.put(disk, size, out, given, tools)

    def put(self, disk: Path, size: int, out: IO[bytes], given: Wrapping, tools: Tools) -> None:
        """Write the tar file into an open one, which has a name."""
        assert given.describe is not None
        table, found = regions(disk, size)
        system = given.describe(disk, size)
        _require_told(system)
        identity = identity_of(system, disk, size)
        scratch = Path(f"{out.name}.parts")
        scratch.mkdir()
        try:
            stored = []
            for region in found:
                path = f"{IMAGES}{_base(given.name)}_{region.name}.raw.zst"
                compressed = scratch / region.name
                with compressed.open("xb") as file:
                    file.write(struct.pack("<II", SKIPPABLE, 16) + identity.bytes)
                    file.flush()
                    self._compress(disk, region, file, given.level, tools)
                stored.append(_stored(compressed, path, region))
            text = metadata(table, stored, system, identity, self.window_log)
            self._put_together(out, text, [(each, scratch) for each in stored], found, given.epoch)
        finally:
            removal.remove_tree(scratch)

    def _compress(
        self, disk: Path, region: Region, out: IO[bytes], level: int | None, tools: Tools
    ) -> None:
        level = level or self.level
        threads = _ULTRA_THREADS if level >= _ULTRA else _THREADS
        argv = ["zstd", "--quiet", "--ultra", f"-{level}", f"--long={self.window_log}"]
        # The size bounds the window that a small partition needs when it is read.
        argv += [f"--threads={threads}", f"--stream-size={region.size}", "--stdout"]
        with piped(disk, region) as stream:
            tools.run(argv, stdin=stream, stdout=out)

    @staticmethod
    def _put_together(
        out: IO[bytes],
        text: bytes,
        stored: list[tuple[StoredImage, Path]],
        found: list[Region],
        epoch: int,
    ) -> None:
        out.write(ustar.header(MARKER, 0, epoch))
        out.write(ustar.header(METADATA, len(text), epoch) + text + ustar.padding(len(text)))
        for (each, scratch), region in zip(stored, found, strict=True):
            out.write(ustar.header(each.path, each.stored, epoch))
            out.flush()
            with (scratch / region.name).open("rb") as file:
                at = os.lseek(out.fileno(), 0, os.SEEK_CUR)
                copy_range(file.fileno(), out.fileno(), 0, each.stored, at)
            out.seek(at + each.stored)
            out.write(ustar.padding(each.stored))
        out.write(ustar.END)


def _base(name: str) -> str:
    """What the names of parts begin with: short enough for a tar header."""
    plain = "".join(char if char.isascii() and (char.isalnum() or char in "-_.") else "_"
                    for char in name)  # fmt: skip
    return plain[:60] or "image"


def _stored(compressed: Path, path: str, region: Region) -> StoredImage:
    digest = hashlib.sha384()
    with compressed.open("rb") as file:
        for piece in _pieces(file):
            digest.update(piece)
    size = compressed.stat().st_size
    return StoredImage(path, region.size, size, digest.hexdigest(), region.number)


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    return iter(lambda: file.read(_PIECE), b"")


def identity_of(system: System, disk: Path, size: int) -> UUID:
    """The UUID of an image: what it says of itself, else made of the content of its disk."""
    try:
        return UUID(system.id)
    except ValueError:
        return derive(content_seed(disk, size), "image")


def _require_told(system: System) -> None:
    """Raise DockyardError with all that the metadata must have and the system does not tell."""
    problems = Problems()
    for known, what, fix in (
        (system.architecture, "what processor its programs are for",
         "give an image for x86_64 or aarch64"),
        (system.release, "which distribution it is", "add /etc/os-release to the image"),
        (system.loader, "by which boot loader it starts",
         "give an image with systemd-boot or GRUB"),
    ):  # fmt: skip
        if not known:
            problems.extend([_untold(what, fix)])
    problems.raise_any()


def _untold(what: str, fix: str) -> Problem:
    return Problem(
        "formats.cosi-untold",
        f"a COSI file cannot be written: the image does not tell {what}",
        why="the metadata of the file must have it",
        fix=f"{fix}, or choose another format",
    )
