"""Readers of what registries of OCI images say: answers, challenges, manifests and indexes."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import cast

from urllib3 import HTTPHeaderDict

from dockyard.errors import DockyardError
from dockyard.host.network import Exchange, Network, Transfer, _credentials, url_text
from dockyard.packages.oci import manifest as oci
from dockyard.packages.oci.credentials import Credentials
from dockyard.packages.oci.reference import Reference
from dockyard.packages.oci.registry import Registry
from fuzz.target import Target

_REFERENCE = Reference("example.com", "images/a", "latest")


def _manifest(text: bytes) -> None:
    """A manifest or an index, as whatever kind a server gives it."""
    for kind in ("", oci.INDEXES[0], oci.MANIFESTS[0]):
        with suppress(DockyardError):
            _chosen(oci.read_manifest(text, kind, "sha256:" + "0" * 64, _REFERENCE))
    _chosen(oci.read_manifest(text, "", "sha256:" + "0" * 64, _REFERENCE))


def _chosen(read: oci.Manifest) -> None:
    for entry in (*read.entries, *([read.config] if read.config else [])):
        with suppress(DockyardError):
            oci.check_digest(b"", entry.digest, "it")
    if read.is_index:
        oci.chosen(read, oci.Platform("linux", "amd64"), _REFERENCE)
        return
    name = oci.file_name(oci.disk_of(read, _REFERENCE))
    assert name == Path(name).name, "it is no plain name"
    oci.packing(name)


def _manifests() -> tuple[bytes, ...]:
    title = {"org.opencontainers.image.title": "disk.raw.zst"}
    layer = {"mediaType": "a/b", "digest": "sha256:" + "1" * 64, "size": 9, "annotations": title}
    config = {"mediaType": oci.CONFIGS[0], "digest": "sha512:" + "2" * 128, "size": 2}
    image = {"schemaVersion": 2, "mediaType": oci.MANIFESTS[0], "config": config}
    platform = {"os": "linux", "architecture": "amd64", "variant": "v2"}
    index = {"schemaVersion": 2, "manifests": [layer | {"platform": platform}]}
    return tuple(json.dumps(each).encode() for each in (image | {"layers": [layer]}, index))


class _Network:
    """Gives answers one after the other: the status, a line for each header, and the body, which
    NULs separate.
    """

    def __init__(self, drawn: bytes) -> None:
        self._answers = iter(drawn.split(b"\0\0"))

    def exchange(self, url: str, headers: Mapping[str, str], **more: object) -> Exchange:
        _credentials(url)
        url_text(url)
        first, _, body = next(self._answers, b"").partition(b"\0")
        status, *lines = first.decode("latin-1").split("\n")
        told = HTTPHeaderDict()
        for line in lines:
            name, _, value = line.partition(":")
            told.add(name, value.strip())
        number = int(status[:3]) if status[:3].isdecimal() else 500
        return Exchange(number, status[4:], told, Transfer(url, io.BytesIO(body), 0, None))


def _registry(drawn: bytes) -> None:
    network = cast(Network, _Network(drawn))
    data, kind = Registry(_REFERENCE, network, Credentials()).manifest("latest", oci.ACCEPTED)
    oci.read_manifest(data, kind, "sha256:" + "0" * 64, _REFERENCE)


_CHALLENGE = (
    b'401 No\nWWW-Authenticate: Bearer realm="https://example.com/token",service="s",scope="a:b"'
)
_ANSWERS = (
    _CHALLENGE,
    b'200 OK\0{"token": "abc"}',
    b"307 There\nLocation: https://[2001:db8::1]/v2/a",
    b"200 OK\nContent-Type: application/vnd.oci.image.index.v1+json; a=b\0" + _manifests()[1],
)
_ERROR = b'404 Gone\0{"errors": [{"code": "NAME_UNKNOWN", "message": "no such thing"}]}'


def targets() -> tuple[Target, ...]:
    """The targets of this module."""
    return (
        Target("oci", lambda _: _manifest, _manifests()),
        Target("registry", lambda _: _registry, (b"\0\0".join(_ANSWERS), _ERROR)),
    )
