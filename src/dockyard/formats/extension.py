"""sysext, confext: what an image adds to one that exists, as an extension for systemd-sysext(8).

A discoverable disk image (UAPI Discoverable Disk Image, Discoverable Partitions): a GUID partition
table with an EROFS as root partition and the hash tree of dm-verity beside it. The ids of the two
partitions are the halves of the root hash, by which they are found; the hash itself is beside the
image, as `.roothash`. The EROFS has what is new or changed below /usr and /opt (sysext) or /etc
(confext), and the file `extension-release` by which systemd knows what it fits.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar
from uuid import UUID

from dockyard.archive import Archive, Entry, Kind
from dockyard.archive.flags import held
from dockyard.archive.stream import header
from dockyard.disk import gpt
from dockyard.disk.identity import derive
from dockyard.disk.output import whole
from dockyard.disk.partition_types import READ_ONLY, type_guid
from dockyard.disk.verity import BLOCK, Superblock, write_tree
from dockyard.errors import DockyardError, Problem
from dockyard.filesystems import FilesystemSpec, by_name
from dockyard.formats.disk_format import aligned
from dockyard.formats.extension_content import added, with_file
from dockyard.formats.extension_rules import outside
from dockyard.formats.parts import AnyFormat, Part, Parts
from dockyard.host.files import copy_range
from dockyard.model.base import Mistake
from dockyard.model.image import Image
from dockyard.model.os_release import RELEASE_FILES
from dockyard.model.storage import PartitionType

if TYPE_CHECKING:
    from dockyard.host.sandbox import Tools

_MIB = 1 << 20
_OPTIONS = {"compression": "lz4hc,level=9"}
_LONGEST_LABEL = 36
# Of an os-release; the largest of any distribution has some hundred bytes.
_MOST_READ = 1 << 16
# systemd takes a file whose name is another than the image's where this says so.
_NOT_STRICT = ((b"user.extension-release.strict", b"false"),)
_TOLD = ("ID", "VERSION_ID")


class Extension(AnyFormat):
    """places: what it has of a root. release: the directory of the file that says what it fits.
    level: the key of os-release that says it in place of the version, where the base has it.
    """

    extension: ClassVar[str] = ".raw"
    section: ClassVar[str] = "extension"
    needs: ClassVar[frozenset[Part]] = frozenset((Part.ROOT, Part.BASE))
    runs_programs: ClassVar[bool] = True
    places: ClassVar[tuple[bytes, ...]]
    release: ClassVar[bytes]
    level: ClassVar[str]

    def judged(self, image: Image) -> Iterator[Mistake]:
        yield from outside(image, self.name, tuple(f"/{os.fsdecode(each)}" for each in self.places))

    def write(self, parts: Parts, out: Path, tools: Tools) -> tuple[Path, ...]:
        content = self._content(parts)
        seed = _seed(content)
        image = out / f"{parts.name}{self.extension}"
        data, hashes = (image.with_name(f".{image.name}.{part}") for part in ("data", "hashes"))
        try:
            spec = FilesystemSpec(derive(seed, "erofs"), "", parts.epoch, options=_OPTIONS)
            by_name("erofs").write(content, data, 0, spec, tools)
            os.truncate(data, aligned(data.stat().st_size, BLOCK))
            salt = hashlib.sha256(seed + b"salt").digest()
            superblock = Superblock(derive(seed, "verity"), data.stat().st_size, salt)
            root_hash = write_tree(data, superblock, hashes)
            with whole(image) as part:
                _put_together(parts, data, hashes, root_hash, derive(seed, "disk"), part)
        finally:
            data.unlink(missing_ok=True)
            hashes.unlink(missing_ok=True)
        told = image.with_suffix(".roothash")
        told.write_text(f"{root_hash.hex()}\n")
        return image, told

    def _content(self, parts: Parts) -> Archive:
        assert parts.root is not None and parts.base is not None
        left_out = [os.fsencode(each.strip("/")) for each in parts.settings.extension.leave_out]
        found = held(added(parts.root, parts.base, self.places, left_out), "")
        path = b"%b/extension-release.%b" % (self.release, os.fsencode(parts.name))
        text = self._release(parts).encode()
        entry = Entry(path, Kind.FILE, mtime_ns=parts.epoch * 10**9, xattrs=_NOT_STRICT)
        made = with_file(found, entry, text)
        if refused := by_name("erofs").refuse(made):
            raise DockyardError(*refused)
        return made

    def _release(self, parts: Parts) -> str:
        """What the extension fits: the system that it was made for."""
        assert parts.base is not None
        told = system_of(parts.base)
        keys = ("ID", self.level) if self.level in told else _TOLD
        lines = [f"{key}={told[key]}" for key in keys if key in told]
        return "\n".join([*lines, f"ARCHITECTURE={parts.architecture.names.systemd}"]) + "\n"


class Sysext(Extension):
    name = "sysext"
    places = (b"usr", b"opt")
    release = b"usr/lib/extension-release.d"
    level = "SYSEXT_LEVEL"


class Confext(Extension):
    name = "confext"
    places = (b"etc",)
    release = b"etc/extension-release.d"
    level = "CONFEXT_LEVEL"


def system_of(base: Archive) -> dict[str, str]:
    """The values of os-release(5), quoted as they are there. Raises DockyardError without an ID."""
    for path in RELEASE_FILES:
        name = os.fsencode(path.lstrip("/"))
        entry = base.find(name)
        if entry is not None and entry.kind in (Kind.FILE, Kind.HARDLINK):
            with base.open(name) as file:
                text = file.read(_MOST_READ).decode(errors="replace")
            pairs = (line.partition("=") for line in text.splitlines())
            told = {key.strip(): value.strip() for key, _, value in pairs}
            if "ID" in told:
                return told
    raise DockyardError(
        Problem(
            "formats.extension-unknown",
            "the image does not tell which system it is, and nothing could say what fits it",
            fix="give an image with an ID in /usr/lib/os-release",
        )
    )


def _seed(content: Archive) -> bytes:
    """What the ids are derived from: all that the extension has."""
    made = hashlib.sha256()
    for entry in content:
        made.update(header(entry))
        made.update((entry.digest or "").encode())
    return made.digest()


def _put_together(
    parts: Parts, data: Path, hashes: Path, root_hash: bytes, guid: UUID, out: Path
) -> None:
    at, entries = _MIB, []
    pieces = (
        (data, PartitionType.ROOT, root_hash[:16], parts.name),
        (hashes, PartitionType.ROOT_VERITY, root_hash[16:], f"{parts.name}-verity"),
    )
    for number, (path, kind, id, name) in enumerate(pieces, 1):
        size = path.stat().st_size
        label = name if len(name) <= _LONGEST_LABEL else kind.value
        guid_of = type_guid(kind, parts.architecture)
        entry = gpt.TableEntry(number, guid_of, UUID(bytes=id), at, size, label, READ_ONLY)
        entries.append((entry, path))
        at = aligned(at + size, _MIB)
    table = gpt.Table(guid, at + _MIB, tuple(entry for entry, _ in entries))
    with out.open("xb") as disk:
        os.truncate(disk.fileno(), table.size)
        gpt.write(table, disk)
        disk.flush()
        for entry, path in entries:
            with path.open("rb") as source:
                copy_range(source.fileno(), disk.fileno(), 0, entry.size, entry.start)
