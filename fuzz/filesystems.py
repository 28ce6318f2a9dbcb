"""Readers of file systems: sound images of each kind, damaged where they are in use.

Their checksums are taken to be right: who damages an image on purpose makes them anew.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from uuid import UUID

from dockyard.archive import Archive, Kind, features
from dockyard.engine.store import default_root
from dockyard.filesystems import FilesystemSpec, by_name
from dockyard.filesystems.btrfs.checksums import CHECKSUMS
from dockyard.filesystems.probe import probe
from dockyard.host import namespace
from dockyard.host.process import Completed
from dockyard.host.sandbox import Tools
from dockyard.tools.trees import tools_tree
from fuzz.patches import SECTOR, patches
from fuzz.target import Target
from nasty_archive import DATA, directory, file, plain

SIZES = {"ext4": 16, "erofs": 0, "xfs": 300, "btrfs": 128, "vfat": 2}
_SPEC = FilesystemSpec(UUID(int=7), epoch=1_767_225_600)
_MOST_READ = 1 << 20
_IMAGES = Path(__file__).parents[1] / "build/fuzz"


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


def _content(name: str) -> Archive:
    if name == "vfat":
        return Archive.from_entries([directory(b"a"), *(file(b"a/%d" % at) for at in range(40))])
    kept = [each for each in plain() if each.path not in (b"a/holes", b"a/large")]
    return Archive.from_entries(kept, DATA)


def make_images() -> None:
    """Make the sound images that are not there yet; enters the namespace for it."""
    if all((_IMAGES / name).exists() for name in SIZES):
        return
    namespace.enter()
    trees = tools_tree(default_root())
    _IMAGES.mkdir(parents=True, exist_ok=True)
    for name, size in SIZES.items():
        system = by_name(name)
        system.write(_content(name), _IMAGES / name, size << 20, _SPEC, trees.named(system.needs))


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
        sound = _IMAGES / name
        image, scratch = folder / "image", folder / "scratch"
        shutil.copyfile(sound, image)
        used = _used(sound)
        system = by_name(name)
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
                finally:
                    for place, old in reversed(kept):
                        opened.seek(place)
                        opened.write(old)
                    shutil.rmtree(scratch)

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


def targets() -> tuple[Target, ...]:
    """The targets of this module."""
    return tuple(Target(name, _reader(name), (bytes(24),), 128) for name in sorted(SIZES))
