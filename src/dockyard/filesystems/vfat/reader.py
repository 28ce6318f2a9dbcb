"""Makes an archive of a FAT image.

FAT knows no owners and modes: entries are root's, directories 0755, files 0644. Times are in UTC,
in steps of two seconds.
"""

from __future__ import annotations

from collections.abc import Iterator

from dockyard.archive import Archive, Entry, Kind
from dockyard.filesystems.image import Image
from dockyard.filesystems.inodes import InodeSource, numbers_by_path
from dockyard.filesystems.pieces import digest
from dockyard.filesystems.vfat.volume import ROOT, File, Volume


def read(image: Image, *, digests: bool = True) -> Archive:
    """The archive of an image."""
    volume = Volume(image)
    files = [ROOT]  # by the numbers that stand for inodes, which FAT has none of
    visited: set[int] = {volume.root}

    def names(number: int) -> Iterator[tuple[bytes, int, bool]]:
        for file in volume.names(files[number]):
            if file.is_directory:
                if file.cluster in visited:
                    raise volume.broken("a directory has two names")
                visited.add(file.cluster)
            files.append(file)
            yield file.name, len(files) - 1, file.is_directory

    numbers = numbers_by_path(volume, 0, names)
    entries = [_entry(volume, path, files[number], digests) for path, number in numbers.items()]
    source = InodeSource(numbers, lambda number: volume.pieces(files[number]))
    return Archive(entries, (source,))


def _entry(volume: Volume, path: bytes, file: File, digests: bool) -> Entry:
    if file.is_directory:
        return Entry(path, Kind.DIRECTORY, 0o755, mtime_ns=file.mtime_ns)
    if not volume.may_hold(file.size, is_file=True):
        raise volume.broken("a file is impossibly large")
    sha256 = digest(volume.pieces(file)) if digests else None
    return Entry(path, Kind.FILE, 0o644, mtime_ns=file.mtime_ns, size=file.size, digest=sha256)
