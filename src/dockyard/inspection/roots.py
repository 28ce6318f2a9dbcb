"""Roots without a disk, as disks: a tar, plain or compressed, a distribution of WSL, and a
container image of one layer, as a layout (OCI Image 1.1) or as a tar of one.

What is read of them is laid out as an EROFS, so that all that reads disks reads them. Names and
sizes are those of strangers: the reader of streams refuses what a tree cannot have, programs of the
tools decompress in their sandbox, and what a layout names is a digest that is held against the
bytes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from dockyard.archive import Archive, Entry, Kind, scan_stream
from dockyard.archive.entry import order
from dockyard.archive.flags import held
from dockyard.disk.gpt import TableEntry
from dockyard.errors import DockyardError, Problem
from dockyard.filesystems import FilesystemSpec, by_name
from dockyard.filesystems.image import Region
from dockyard.filesystems.probe import Content
from dockyard.formats.containers import Container, RawDisk
from dockyard.formats.cosi_metadata import is_cosi
from dockyard.host import files
from dockyard.host.process import ProcessFailed
from dockyard.inspection.disks import FoundDisk, FoundPartition

if TYPE_CHECKING:
    from dockyard.host.sandbox import Tools

_MAGICS = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
_TAR_AT, _TAR = 257, b"ustar"
_INDEX, _LAYOUT = "index.json", "oci-layout"
_MOST_JSON = 4 << 20
_NONE = UUID(int=0)


@dataclass(frozen=True, slots=True)
class RootFile:
    """What may be a root. packed: the program that unpacks it; empty for what is not compressed.
    is_layout: a directory with a container image.
    """

    path: Path
    packed: str = ""
    is_layout: bool = False


def root_file(image: Path) -> RootFile | None:
    """What an image is, by its first bytes, where these may be those of a root without a disk."""
    if image.is_dir():
        return RootFile(image, is_layout=True) if (image / _LAYOUT).is_file() else None
    try:
        with image.open("rb") as file:
            head = file.read(_TAR_AT + len(_TAR))
    except OSError:
        return None  # who opens it as a disk says why
    for magic, program in _MAGICS.items():
        if head.startswith(magic):
            return RootFile(image, packed=program)
    is_tar = head[_TAR_AT:] == _TAR and not is_cosi(head)
    return RootFile(image) if is_tar else None


def open_root(given: RootFile, scratch: Path, tools: Tools) -> FoundDisk:
    """The root as a disk that is all one file system. Raises DockyardError."""
    root, kind = _root(given, scratch, tools)
    module, out = by_name("erofs"), scratch / "root"
    plain = held(_with_parents(root), module.flags)
    if refused := module.refuse(plain):
        raise DockyardError(*refused)
    module.write(plain, out, 0, FilesystemSpec(_NONE), tools)
    size = out.stat().st_size
    entry, region = TableEntry(0, _NONE, _NONE, 0, size), Region(out, 0, size)
    found = FoundPartition(entry, region, Content(kind, module="erofs"))
    return FoundDisk(RawDisk(out, size, Container.RAW), None, (found,), came_as=kind)


def _root(given: RootFile, scratch: Path, tools: Tools) -> tuple[Archive, str]:
    """The root, and what it came in."""
    if given.is_layout:
        return _layer(given.path, given.path, scratch, tools), "oci-dir"
    outer = scan_stream(_unpacked(given, scratch / "stream", tools))
    if outer.find(_LAYOUT.encode()) is None or outer.find(_INDEX.encode()) is None:
        return outer, f"tar, {given.packed}" if given.packed else "tar"
    layout = scratch / "layout"
    blobs = layout / "blobs/sha256"
    blobs.mkdir(parents=True)
    for entry in outer:
        path = entry.path.decode(errors="replace")
        name = path.removeprefix("blobs/sha256/")
        if path == _INDEX or (name != path and _is_digest(name)):
            with outer.open(entry.path) as data, (layout / path).open("wb") as out:
                while piece := data.read(1 << 20):
                    out.write(piece)
    return _layer(given.path, layout, scratch, tools), "oci-archive"


def _layer(image: Path, layout: Path, scratch: Path, tools: Tools) -> Archive:
    """The root of a container image of one layer. layout: where its blobs are."""
    manifest = _only(image, _json(image, layout / _INDEX), "manifests")
    told = _json(image, _blob(image, layout, manifest))
    blob = _blob(image, layout, _only(image, told, "layers"))
    found = root_file(blob)
    if found is None or found.is_layout:
        raise _unread(image, "its layer is no tar")
    return scan_stream(_unpacked(found, scratch / "layer", tools))


def _unpacked(given: RootFile, out: Path, tools: Tools) -> Path:
    """The tar that a file is or holds."""
    if not given.packed:
        return given.path
    argv = [given.packed, "--decompress", "--stdout"]
    try:
        with given.path.open("rb") as packed, out.open("wb") as plain:
            tools.run(argv, stdin=packed, stdout=plain, reads=given.path)
    except ProcessFailed as error:
        raise _unread(given.path, f"{given.packed} cannot unpack it") from error
    with out.open("rb") as file:
        if file.read(_TAR_AT + len(_TAR))[_TAR_AT:] != _TAR:
            raise _unread(given.path, f"what {given.packed} unpacks of it is no tar")
    return out


def _with_parents(root: Archive) -> Archive:
    """A root with the directories that a tar of others need not name."""
    missing: dict[bytes, Entry] = {}
    for entry in root:
        parent = entry.parent if entry.path else None
        while parent is not None and parent not in missing and root.find(parent) is None:
            missing[parent] = Entry(parent, Kind.DIRECTORY, 0o755, mtime_ns=entry.mtime_ns)
            parent = parent.rpartition(b"/")[0] if parent else None
    if root.find(b"") is None:
        missing.setdefault(b"", Entry(b"", Kind.DIRECTORY, 0o755))
    pairs = [
        *zip(root.entries, root.source_of, strict=True),
        *((each, 0) for each in missing.values()),
    ]
    pairs.sort(key=lambda pair: order(pair[0].path))
    return Archive([each for each, _ in pairs], root.sources, [source for _, source in pairs])


def _only(image: Path, told: dict[str, Any], key: str) -> Any:
    listed = told.get(key)
    if not isinstance(listed, list) or len(listed) != 1:
        count = len(listed) if isinstance(listed, list) else "no"
        raise _unread(image, f"it is a container image with {count} {key}, and of one each is read")
    return listed[0]


def _blob(image: Path, layout: Path, descriptor: Any) -> Path:
    """A blob whose bytes are what its name says."""
    digest = descriptor.get("digest") if isinstance(descriptor, dict) else None
    algorithm, _, value = str(digest).partition(":")
    path = layout / "blobs" / "sha256" / value
    if algorithm != "sha256" or not _is_digest(value) or not path.is_file():
        raise _unread(image, f"it lacks a blob, {str(digest)[:80]}")
    if files.digest(path) != value:
        raise _unread(image, f"a blob is not what its digest says: {value}")
    return path


def _json(image: Path, path: Path) -> dict[str, Any]:
    try:
        data = files.read_regular(path, _MOST_JSON)
        told = json.loads(data)
    except (OSError, ValueError, RecursionError) as error:
        raise _unread(image, f"{path.name} cannot be read") from error
    if not isinstance(told, dict):
        raise _unread(image, f"{path.name} is no JSON object")
    return told


def _is_digest(text: str) -> bool:
    return len(text) == 64 and all(each in "0123456789abcdef" for each in text)


def _unread(image: Path, why: str) -> DockyardError:
    what, fix = "the image cannot be read", "fetch or make the image again"
    return DockyardError(Problem("image.unreadable", what, str(image), why, fix))
