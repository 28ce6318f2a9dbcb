"""Whether there is room for an image where it is to be written: said before any work, as far as it
is known then.

A disk is a sparse file: what is empty in it takes no space, so its size is what it takes at most.
Once its file systems are in the store, what a raw disk takes is known; less only where it shares
their blocks (FICLONE), on one file system with the store.
"""

from __future__ import annotations

from pathlib import Path

from dockyard.disk.layout import size_text
from dockyard.engine.store import Store
from dockyard.errors import Problem, Severity
from dockyard.formats import Part
from dockyard.formats import by_name as format_by_name
from dockyard.host import storage
from dockyard.pipeline.arguments.names import FILESYSTEM
from dockyard.pipeline.artefact import image_id
from dockyard.pipeline.image import ImageSteps
from dockyard.pipeline.output import is_placed
from dockyard.pipeline.request import ImageRequest

_MIB = 1 << 20
_TABLES = 16 * _MIB  # of partitions, and of what a format has where its data are


def output_room(
    request: ImageRequest, steps: ImageSteps, output: Path, store: Store
) -> tuple[Problem, ...]:
    """A warning where an image may not find room; nothing for what is there already, or has no
    disk. An error where it surely finds none.
    """
    if Part.DISK not in format_by_name(request.output.format).needs:
        return ()
    above = next(each for each in output.absolute().parents if each.exists())
    free = storage.free_space(above)
    most = request.layout.size + request.layout.size // 100 + _TABLES
    if free is None or free >= most:
        return ()
    if is_placed(image_id(request, steps, store), output, store):
        return ()
    taken = _taken(request, steps, store)
    if taken is not None and free >= taken + _TABLES:
        return ()
    # What a file system counts for a file has blocks of its own among it.
    elsewhere = taken is not None and above.stat().st_dev != _device(steps, store)
    surely = elsewhere and taken is not None and free < taken - taken // 100
    needed = taken if taken is not None else request.layout.size
    told = Problem(
        "build.no-room",
        f"the image {'takes' if surely else 'may take up to'} {_rounded(needed)}, and "
        f"{_rounded(free, up=False)} are free there",
        str(above),
        why="" if surely else "what is empty in it takes none: it may well find room",
        fix="make room, or choose another place with --output-image-file",
        severity=Severity.ERROR if surely else Severity.WARNING,
    )
    return (told,)


def _taken(request: ImageRequest, steps: ImageSteps, store: Store) -> int | None:
    """Bytes of a raw disk that are no holes; None where its parts are still to be made."""
    if request.output.format != "raw" or not all(map(store.has, steps.filesystems.values())):
        return None
    parts = [store.path(step) / FILESYSTEM for step in steps.filesystems.values()]
    if not all(part.is_file() for part in parts):
        return None  # something removed it: it is made again
    return sum(part.stat().st_blocks * 512 for part in parts)


def _device(steps: ImageSteps, store: Store) -> int:
    """Where the parts are."""
    return next(store.path(step).stat().st_dev for step in steps.filesystems.values())


def _rounded(size: int, *, up: bool = True) -> str:
    return size_text((-(-size // _MIB) if up else size // _MIB) * _MIB)
