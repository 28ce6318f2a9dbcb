"""What this process read of the disk of an image when it judged that: the step that takes the root
out of it, which follows most often, need not read it again.

Only file systems whose data stay in the disk, and nothing of a disk that was written to since.
"""

from __future__ import annotations

from dockyard.archive import Archive
from dockyard.filesystems.image import Region
from dockyard.filesystems.inodes import InodeSource
from dockyard.pipeline.untouched import stamp_of

_found: dict[tuple[str, int, int], Archive] = {}


def note(region: Region, found: Archive) -> None:
    """Note what the file system in a region holds."""
    if all(isinstance(source, InodeSource) for source in found.sources):
        _found[_key(region)] = found


def take(region: Region) -> Archive | None:
    """What was noted of a region, for the one who asks first; None where nothing was."""
    return _found.pop(_key(region), None)


def _key(region: Region) -> tuple[str, int, int]:
    return f"{stamp_of(region.path)} {region.path}", region.start, region.size
