"""Readers of file systems: sound images of each kind, damaged where they are in use.

Their checksums are taken to be right: who damages an image on purpose makes them anew.
"""

from __future__ import annotations

import shutil
import struct
import sys
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

from dockyard.archive import Archive, Kind, features
from dockyard.errors import DockyardError, Problem
from dockyard.filesystems import by_name
from dockyard.filesystems.btrfs import lzo
from dockyard.filesystems.btrfs.checksums import CHECKSUMS
from dockyard.filesystems.probe import probe
from dockyard.filesystems.squashfs.packing import UNPACK, Unpack
from dockyard.host.process import Completed
from dockyard.host.sandbox import Tools
from dockyard.inspection.medium import medium_of
from fuzz.patches import SECTOR, patches
from fuzz.sound_images import FOLDER, KINDS
from fuzz.target import Target

_MOST_READ = 1 << 20
_MOST_UNPACKED = 1 << 17
_NOTHING = b"0000"  # too short for a patch


class _Right(int):
    """A checksum that is that of everything."""

    def __eq__(self, other: object) -> bool:
        return True

    def __ne__(self, other: object) -> bool:
        return False

    def __and__(self, other: int) -> _Right:
        return self

    def __xor__(self, other: int) -> _Right:
        return self

    def to_bytes(self, *_: object, **__: object) -> bytes:
        return _RightBytes()

    __hash__ = int.__hash__


class _RightBytes(bytes):
    """The same as bytes."""

    def __eq__(self, other: object) -> bool:
        return True

    def __ne__(self, other: object) -> bool:
        return False

    __hash__ = bytes.__hash__


class _NoTools(Tools):
    """Tools that do nothing: their programs are not what is tried."""

    def run(self, argv: Sequence[str], **_: object) -> Completed:
        return Completed(tuple(argv), 0, b"", b"")


def _trust_checksums() -> None:
    for name, module in list(sys.modules.items()):
        if name.startswith("dockyard.filesystems."):
            for function in ("crc32c", "advanced", "xxhash64"):
                if hasattr(module, function):
                    setattr(module, function, lambda *_: _Right(0))
    for number, (length, _) in CHECKSUMS.items():
        CHECKSUMS[number] = (length, lambda data: _RightBytes())


def _reader(name: str) -> Callable[[Path], Callable[[bytes], object]]:
    def make(folder: Path) -> Callable[[bytes], object]:
        sound = FOLDER / name
        image, scratch = folder / "image", folder / "scratch"
        shutil.copyfile(sound, image)
        used = _used(sound)
        system = by_name(KINDS[name])
        system.read(image, _NoTools(folder), folder)  # what it loads is there then
        _trust_checksums()

        def feed(drawn: bytes) -> None:
            scratch.mkdir()
            kept: list[tuple[int, bytes]] = []
            with image.open("r+b", buffering=0) as opened:
                for place, new in patches(drawn, used):
                    opened.seek(place)
                    kept.append((place, opened.read(len(new))))
                    opened.seek(place)
                    opened.write(new)
                try:
                    probe(image)
                    _look_through(system.read(image, _NoTools(folder), scratch))
                    if name == "iso9660":
                        medium_of(image)
                finally:
                    for place, old in reversed(kept):
                        opened.seek(place)
                        opened.write(old)
                    shutil.rmtree(scratch)

        feed(_NOTHING)  # a reader that refuses the sound image would be tried in vain
        return feed

    return make


def _look_through(found: Archive) -> None:
    features(found)
    left = _MOST_READ
    for entry in found:
        if entry.kind is Kind.FILE and left > 0:
            with found.open(entry.path) as data:
                left -= len(data.read(left))


def _used(image: Path) -> list[int]:
    zeros = bytes(SECTOR)
    found = []
    with image.open("rb") as opened:
        at = 0
        while piece := opened.read(1 << 20):
            found += [
                at + inside
                for inside in range(0, len(piece), SECTOR)
                if piece[inside : inside + SECTOR] != zeros
            ]
            at += len(piece)
    return found


def _of_btrfs(data: bytes, most: int) -> bytes:
    return lzo.decompressed(data, 4096, most)


def _unpack(drawn: bytes) -> None:
    """What is packed by a method of ours or another one. The first byte chooses."""
    methods: list[Unpack] = [*UNPACK.values(), _of_btrfs]
    try:
        made = methods[drawn[0] % len(methods)](drawn[1:], _MOST_UNPACKED)
        assert len(made) <= 4 * _MOST_UNPACKED, "it is much larger than it may be"
    except (ValueError, IndexError, zlib.error) as error:  # see `image.reading`
        raise DockyardError(Problem("fuzz.damaged", str(error))) from error


def targets() -> tuple[Target, ...]:
    """The targets of this module."""
    packed = (
        b"\2\x15abcd\x11\0\0",
        b"\3\xf0\5" + bytes(20) + b"\2\0\x0b\x30end",
        b"\5" + struct.pack("<II", 18, 10) + b"\x15abcd\x11\0\0",
    )
    return (
        *(Target(name, _reader(name), (_NOTHING, bytes(24)), 128) for name in sorted(KINDS)),
        Target("unpack", lambda _: _unpack, packed),
    )
