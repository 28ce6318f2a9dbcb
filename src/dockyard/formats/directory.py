"""directory: the root as a directory of the caller's, to look into, copy from or compare.

It has what a directory can have that its owner made without being root: names, contents, links,
permissions and times, and `user.` attributes. All belongs to the caller. Owners, set-id bits,
device nodes, capabilities, ACLs and labels are not in it; a tar has them, and the build's manifest
tells owners and modes. What the image lets nobody read is made readable for its owner, who could
neither copy nor remove it otherwise.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from dockyard.archive import Archive, Entry, Kind, unpack
from dockyard.formats.guest import without_devices
from dockyard.formats.parts import AnyFormat, Part, Parts
from dockyard.host import removal

if TYPE_CHECKING:
    from dockyard.host.sandbox import Tools

_PERMISSIONS = 0o777
_OWN_FILE, _OWN_DIRECTORY = 0o600, 0o700
_SAME = -1  # what chown(2) takes for the one who asks
_KEPT = b"user."


class Directory(AnyFormat):
    name = "directory"
    extension: ClassVar[str] = ""
    needs: ClassVar[frozenset[Part]] = frozenset((Part.ROOT,))
    runs_programs: ClassVar[bool] = False
    keeps_modes: ClassVar[bool] = True

    def write(self, parts: Parts, out: Path, tools: Tools) -> tuple[Path, ...]:
        assert parts.root is not None
        image, part = out / parts.name, out / f".{parts.name}.part"
        part.mkdir()
        try:
            unpack(held(parts.root), part)
            part.rename(image)
        except BaseException:
            removal.remove_tree(part)
            raise
        return (image,)


def held(root: Archive) -> Archive:
    """A root with what the directory of one who is not root can have of it."""
    return without_devices(root).changed(_held)


def _held(entry: Entry) -> Entry:
    own = _OWN_DIRECTORY if entry.kind is Kind.DIRECTORY else _OWN_FILE
    xattrs = tuple(pair for pair in entry.xattrs if pair[0].startswith(_KEPT))
    return replace(entry, mode=entry.mode & _PERMISSIONS | own, uid=_SAME, gid=_SAME, xattrs=xattrs)
