"""oci-dir, oci-archive: the root as a container image, a layout as a directory or as one tar.

OCI Image 1.1: `oci-layout`, `index.json` with the image's name, and in `blobs/sha256` the manifest,
the configuration and one layer: the portable stream of the root, as gzip, which every reader takes.
gzip(1) is that of the tools tree, so the bytes depend on no library of the host. The only time is
the image's own.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, ClassVar, cast

from dockyard.archive import Archive, streamed, write_stream
from dockyard.archive.entry import path_text
from dockyard.disk.output import whole
from dockyard.errors import DockyardError, Problem
from dockyard.formats.folder import archive_of
from dockyard.formats.guest import Guest, of_guest
from dockyard.formats.parts import Parts
from dockyard.host import files, removal
from dockyard.model.guests import Oci

if TYPE_CHECKING:
    from dockyard.host.sandbox import Tools

_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_INDEX = "application/vnd.oci.image.index.v1+json"
_NAME = "org.opencontainers.image.ref.name"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# A name that takes away what is below, in a layer (OCI Image 1.1, layer.md, "Whiteouts").
_WHITEOUT = b".wh."
_MOST_SHOWN = 5


class _OciImage(Guest):
    runs: ClassVar[str] = "the host of the container"
    section: ClassVar[str] = "oci"


class OciDir(_OciImage):
    name = "oci-dir"
    extension: ClassVar[str] = ""

    def write(self, parts: Parts, out: Path, tools: Tools) -> tuple[Path, ...]:
        image = out / parts.name
        lay_out(parts, image, tools)
        return (image,)


class OciArchive(_OciImage):
    name = "oci-archive"
    extension: ClassVar[str] = ".oci.tar"

    def write(self, parts: Parts, out: Path, tools: Tools) -> tuple[Path, ...]:
        image, folder = out / f"{parts.name}{self.extension}", out / f".{parts.name}.files"
        try:
            lay_out(parts, folder, tools)
            with whole(image) as part, part.open("wb") as file:
                write_stream(archive_of(folder, parts.epoch), file)
        finally:
            removal.remove_tree(folder)
        return (image,)


def lay_out(parts: Parts, folder: Path, tools: Tools) -> None:
    """Make the layout, a directory that is not there yet. Inside the namespace."""
    assert parts.root is not None
    require_no_whiteouts(parts.root)
    blobs = folder / "blobs/sha256"
    blobs.mkdir(parents=True)
    layer, diff_id = _put_layer(of_guest(parts.root), blobs, tools)
    config = _put_json(blobs, _CONFIG, _config(parts, diff_id))
    manifest = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST,
        "config": config,
        "layers": [layer],
    }
    platform = {"architecture": parts.architecture.names.oci, "os": "linux"}
    index = {
        "schemaVersion": 2,
        "mediaType": _INDEX,
        "manifests": [
            {
                **_put_json(blobs, _MANIFEST, manifest),
                "platform": platform,
                "annotations": {_NAME: _reference(parts)},
            }
        ],
    }
    (folder / "oci-layout").write_bytes(_json({"imageLayoutVersion": "1.0.0"}))
    (folder / "index.json").write_bytes(_json(index))


def require_no_whiteouts(root: Archive) -> None:
    """Raise DockyardError where a file has a name that means something else in a layer."""
    found = [path_text(entry.path) for entry in root if entry.name.startswith(_WHITEOUT)]
    if found:
        raise DockyardError(
            Problem(
                "formats.whiteout",
                "the image has files whose names take others away in a container image",
                found[0],
                why="in a layer a name that begins with .wh. is the removal of what follows it",
                fix="rename them in a script of the image, or choose another format",
                excerpt=tuple(found[:_MOST_SHOWN]),
            )
        )


def _put_layer(root: Archive, blobs: Path, tools: Tools) -> tuple[dict[str, Any], str]:
    """Write the layer; gives its descriptor and the digest of what it is uncompressed."""
    plain = _Digest()
    write_stream(root, cast(IO[bytes], plain), portable=True)
    packed = blobs / "layer"
    with packed.open("xb") as file, streamed(root, portable=True) as stream:
        tools.run(["gzip", "--no-name", "--stdout"], stdin=stream, stdout=file)
    digest = files.digest(packed)
    size = packed.stat().st_size
    packed.rename(blobs / digest)
    descriptor = {"mediaType": _LAYER, "digest": f"sha256:{digest}", "size": size}
    return descriptor, f"sha256:{plain.found.hexdigest()}"


class _Digest:
    """Takes a stream for its digest alone."""

    def __init__(self) -> None:
        self.found = hashlib.sha256()

    def write(self, data: bytes | bytearray) -> int:
        self.found.update(data)
        return len(data)

    def flush(self) -> None:
        pass


def _config(parts: Parts, diff_id: str) -> dict[str, Any]:
    asked = parts.settings.oci
    moment = datetime.fromtimestamp(parts.epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "created": moment,
        "architecture": parts.architecture.names.oci,
        "os": "linux",
        "config": _execution(asked),
        "rootfs": {"type": "layers", "diff_ids": [diff_id]},
        "history": [{"created": moment, "created_by": "dockyard"}],
    }


def _execution(asked: Oci) -> dict[str, Any]:
    """What a container runs, without what is not asked for."""
    env = {"PATH": _PATH, **asked.env}
    ports = sorted(text if "/" in text else f"{text}/tcp" for text in asked.exposed_ports)
    given: Mapping[str, Mapping[str, Any] | Sequence[str] | str] = {
        "User": asked.user,
        "ExposedPorts": {port: {} for port in ports},
        "Env": [f"{name}={value}" for name, value in sorted(env.items())],
        "Entrypoint": list(asked.entrypoint),
        "Cmd": list(asked.cmd),
        "WorkingDir": asked.working_dir,
        "Labels": asked.labels,
    }
    return {key: value for key, value in given.items() if value}


def _reference(parts: Parts) -> str:
    plain = re.sub(r"[^A-Za-z0-9]+", "-", parts.name).strip("-")
    return parts.settings.oci.reference or f"{plain or 'image'}:latest"


def _put_json(blobs: Path, kind: str, content: Mapping[str, Any]) -> dict[str, Any]:
    """Write a blob; gives its descriptor."""
    data = _json(content)
    digest = hashlib.sha256(data).hexdigest()
    (blobs / digest).write_bytes(data)
    return {"mediaType": kind, "digest": f"sha256:{digest}", "size": len(data)}


def _json(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
