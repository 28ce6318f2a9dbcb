"""squashfs, erofs: the root as the image of a file system that is read only and compressed.

There is no disk around it: it is what one mounts by a loop device, puts on a partition, or boots
from as `root=live:` has it. squashfs has whole seconds and no ACLs; what a file system cannot hold
is refused, by path.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from dockyard.archive import Entry
from dockyard.archive.entry import NANOSECONDS
from dockyard.archive.flags import held
from dockyard.disk.identity import derive
from dockyard.disk.output import whole
from dockyard.errors import DockyardError
from dockyard.filesystems import FilesystemSpec, by_name
from dockyard.formats.parts import AnyFormat, Part, Parts

if TYPE_CHECKING:
    from dockyard.host.sandbox import Tools


class RootImage(AnyFormat):
    """options: what the module of the file system takes as its own."""

    extension: ClassVar[str]
    needs: ClassVar[frozenset[Part]] = frozenset((Part.ROOT,))
    runs_programs: ClassVar[bool] = True
    options: ClassVar[Mapping[str, str]]
    whole_seconds: ClassVar[bool] = False

    def write(self, parts: Parts, out: Path, tools: Tools) -> tuple[Path, ...]:
        assert parts.root is not None
        module = by_name(self.name)
        root = held(parts.root, module.flags)
        if self.whole_seconds:
            root = root.changed(_whole_seconds)
        if refused := module.refuse(root):
            raise DockyardError(*refused)
        uuid = derive(parts.seed, self.name, "root")
        spec = FilesystemSpec(uuid, "", parts.epoch, options=self.options)
        image = out / f"{parts.name}{self.extension}"
        with whole(image) as part:
            module.write(root, part, 0, spec, tools)
        return (image,)


class Squashfs(RootImage):
    name = "squashfs"
    extension = ".squashfs"
    options: ClassVar[Mapping[str, str]] = {"compression": "zstd"}
    whole_seconds = True


class Erofs(RootImage):
    name = "erofs"
    extension = ".erofs"
    # Every kernel that has erofs reads it; what zstd needs is Linux 6.10.
    options: ClassVar[Mapping[str, str]] = {"compression": "lz4hc,level=9"}


def _whole_seconds(entry: Entry) -> Entry:
    rest = entry.mtime_ns % NANOSECONDS
    return replace(entry, mtime_ns=entry.mtime_ns - rest) if rest else entry
