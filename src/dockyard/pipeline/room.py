"""Whether the file systems of an image hold the tree of one that exists, with what packages and
files add to it.

What a file system takes for itself is known before it is written only in part: what is refused
surely does not fit. Where it is close, the plan says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from dockyard.config import LoadedImage
from dockyard.disk.layout import DiskLayout, size_text
from dockyard.disk.partitions import PartitionLayout
from dockyard.errors import Problem, Severity
from dockyard.model.family import ESP_MOUNT
from dockyard.model.filesystems import FileSystemType
from dockyard.model.package_change import growth
from dockyard.pipeline.existing_disk import DiskSource
from dockyard.pipeline.subvolumes import places_of
from dockyard.tree.additional import added_sizes
from dockyard.tree.setting import Setting

# How much of a partition files can take at the very most: the rest is for what finds them.
_FOR_FILES = 0.98
_CLOSE = 0.97  # of that: it may be too much
_BLOCK = 4096
_MIB = 1 << 20
_PACKED = (FileSystemType.EROFS,)
# Packages put nothing of size there.
_WITHOUT_PACKAGES = (ESP_MOUNT, "/efi", "/home", "/srv", "/tmp", "/var/log", "/var/tmp")


@dataclass(frozen=True)
class Room:
    """The room of one file system. places: where it is in the tree. used: bytes of the files that
    go there, more: of those that are added, in whole blocks. most: bytes that files can take.
    """

    partition: PartitionLayout
    places: tuple[str, ...]
    used: int
    more: int
    most: int

    @property
    def needed(self) -> int:
        return self.used + self.more

    @property
    def is_too_small(self) -> bool:
        """Whether it surely does not hold all."""
        return self.needed > self.most

    @property
    def is_close(self) -> bool:
        """Whether it may not hold all."""
        return self.needed > self.most * _CLOSE


def rooms(source: DiskSource, layout: DiskLayout, settings: Iterable[Setting]) -> tuple[Room, ...]:
    """The room of each file system that is written anew and of which it can be told. What packages
    add counts where /usr is; if they may put it elsewhere as well, only what finds no room there.
    """
    places = places_on(layout)
    added = _added(source, settings, places)
    found = []
    for partition in layout.partitions:
        system = partition.filesystem
        if system is None or partition.kept or system.type in _PACKED:
            continue
        if dict(system.options).get("compression", "none") != "none":
            continue
        own = sorted(path for path, each in places.items() if each is partition)
        outer = tuple(path for path in own if not any(_is_below(path, each) for each in own))
        others = tuple(path for path, each in places.items() if each is not partition)
        used = sum(source.storage.size(path, others) for path in outer)
        more = sum(size for path, size in added.items() if path in own)
        found.append(Room(partition, outer, used, more, _most(partition)))
    return tuple(_with_packages(found, source, layout))


def too_small(
    loaded: LoadedImage,
    source: DiskSource,
    layout: DiskLayout,
    settings: Iterable[Setting],
    *,
    scripts: bool,
) -> Iterator[Problem]:
    """A problem for each file system that surely does not hold what goes there; a warning where
    scripts may make room. What an image has in less room than files take is another kind of file
    system's, such as one that compresses: whether that holds more, only writing it tells.
    """
    anew = bool(loaded.image.storage.disks)
    for each in rooms(source, layout, settings):
        if not each.is_too_small or (not anew and (each.more <= 0 or each.used > each.most)):
            continue
        size, needed = size_text(each.partition.size), -(-each.needed // _MIB)
        at = ", ".join(each.places)
        more = f", and {-(-each.more // _MIB)} MiB of that come now" if each.more > _MIB else ""
        if anew:
            key = f"storage.disks[0].partitions[{each.partition.number - 1}]"
            what = (
                f"the partition {each.partition.key} has {size}, and what of the image goes there"
            )
            fix = f"give it {size_text(_roomy(each.needed))} or more"
        else:
            key = "os.packages" if source.changes else "os"
            what = f"the image has {size} for {at}, and what is to be there"
            fix = f"lay out a disk with storage.disks, with {size_text(_roomy(each.needed))} or "
            fix += "more for it, or add less"
        yield Problem(
            "disk.tree-does-not-fit",
            f"{what} has {needed} MiB",
            loaded.position(key),
            why=f"the files of {at} are on it{more}; no more than {each.most // _MIB} MiB of files "
            f"fit into {size}",
            fix=f"{fix}; or have a script remove more" if scripts else fix,
            severity=Severity.WARNING if scripts else Severity.ERROR,
        )


def places_on(layout: DiskLayout) -> dict[str, PartitionLayout]:
    """Every path of the tree where a file system is mounted, with its partition."""
    return {
        path: partition
        for partition in layout.partitions
        if partition.filesystem is not None
        for path in places_of(partition.filesystem)
    }


def holder_of_programs(layout: DiskLayout) -> PartitionLayout | None:
    """The partition that takes most of what packages bring."""
    places = places_on(layout)
    return places.get("/usr") or places.get("/")


def _with_packages(found: Iterable[Room], source: DiskSource, layout: DiskLayout) -> Iterator[Room]:
    size = growth(source.changes.changes) if source.changes else 0
    holder = holder_of_programs(layout)
    free = 0
    for each in found:
        elsewhere = not set(each.places) <= set(_WITHOUT_PACKAGES)
        if each.partition is not holder and elsewhere:
            free += max(0, each.most - each.needed)
    for each in found:
        more = size - free if size > 0 else size
        if each.partition is holder and (size < 0 or more > 0):
            yield Room(each.partition, each.places, each.used, each.more + more, each.most)
        else:
            yield each


def _added(
    source: DiskSource, settings: Iterable[Setting], places: Mapping[str, PartitionLayout]
) -> dict[str, int]:
    """Bytes that settings add to each place: of files that the image does not have yet."""
    found: dict[str, int] = {}
    for path, size in added_sizes(settings).items():
        if source.contents is None or source.contents.has(path):
            continue
        at = max((one for one in places if _is_below(path, one)), key=len, default="/")
        found[at] = found.get(at, 0) + -(-size // _BLOCK) * _BLOCK
    return found


def _most(partition: PartitionLayout) -> int:
    system = partition.filesystem
    assert system is not None
    if system.type is FileSystemType.EXT4:
        from dockyard.filesystems import ext4

        return ext4.most_for_files(partition.size, dict(system.options))
    return int(partition.size * _FOR_FILES)


def _is_below(path: str, above: str) -> bool:
    return path != above and (above == "/" or path.startswith(above + "/"))


def _roomy(needed: int) -> int:
    """A size that is surely enough, in whole units of 64 MiB."""
    return -(-int(needed * 1.25) // (64 * _MIB)) * 64 * _MIB
