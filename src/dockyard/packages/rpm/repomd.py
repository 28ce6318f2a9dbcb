"""repomd.xml: the index of an rpm-md repository's metadata files, each with its digest.

Whoever trusts these bytes (by a detached signature, by the digest in a metalink, or because they
come from a trusted place) trusts every package digest below them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from xml.etree import ElementTree

from dockyard.host.network import whole_number

# The last are comps.xml, plain or compressed; what is not here (updateinfo, SQLite, zchunk, …) is
# passed over.
_USED = ("primary", "filelists", "modules", "group", "group_gz", "group_xz", "group_zst")
_NAMESPACE = "{http://linux.duke.edu/metadata/repo}"
_STRENGTH = {"sha512": 3, "sha384": 2, "sha256": 1}
_LENGTH = {"sha512": 128, "sha384": 96, "sha256": 64}


class MalformedRepomd(ValueError):
    """The bytes are no repomd.xml, or one that cannot be used."""


@dataclass(frozen=True, slots=True)
class Record:
    """One metadata file. href: relative to the repository. size: bytes, 0 when not said.

    plain_size: when decompressed, None when not said.
    """

    kind: str
    href: str
    algorithm: str
    hexdigest: str
    size: int
    plain_size: int | None = None

    @property
    def suffix(self) -> str:
        """The compression, as a file name suffix; "" for a plain file."""
        suffix = PurePosixPath(self.href).suffix
        return "" if suffix in (".xml", ".yaml") else suffix


@dataclass(frozen=True, slots=True)
class Repomd:
    """The metadata files by kind (`primary`, `filelists`, `comps`, …)."""

    revision: str
    records: dict[str, Record]

    @property
    def groups(self) -> Record | None:
        """comps.xml, in one of its forms."""
        kinds = (kind for kind in _USED if kind.startswith("group") and kind in self.records)
        return next((self.records[kind] for kind in kinds), None)

    @property
    def primary(self) -> Record:
        return self.records["primary"]


def parse(data: bytes) -> Repomd:
    """Read repomd.xml. Raises MalformedRepomd.

    Only digests of the SHA-2 family are taken; a repository that offers nothing better than SHA-1
    is refused.
    """
    try:
        root = ElementTree.fromstring(data)
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise MalformedRepomd(f"it is not well-formed XML: {error}") from error
    if root.tag != f"{_NAMESPACE}repomd":
        raise MalformedRepomd(f"its root element is {root.tag!r}, not repomd")
    records: dict[str, Record] = {}
    for element in root.iterfind(f"{_NAMESPACE}data"):
        kind = element.get("type", "")
        if kind in _USED:
            records[kind] = _record(kind, element)
    if "primary" not in records:
        raise MalformedRepomd("it names no primary metadata")
    revision = root.findtext(f"{_NAMESPACE}revision") or ""
    return Repomd(revision.strip(), records)


def _record(kind: str, element: ElementTree.Element) -> Record:
    location = element.find(f"{_NAMESPACE}location")
    href = location.get("href", "") if location is not None else ""
    if not href or href.startswith("/") or ".." in href.split("/") or "://" in href:
        raise MalformedRepomd(f"the {kind} metadata has the location {href!r}")
    checksum = element.find(f"{_NAMESPACE}checksum")
    algorithm = checksum.get("type", "") if checksum is not None else ""
    digest = (checksum.text or "").strip().lower() if checksum is not None else ""
    if algorithm not in _STRENGTH:
        raise MalformedRepomd(
            f"the {kind} metadata has a digest of type {algorithm or 'none'}; sha256, sha384 or"
            " sha512 is needed"
        )
    if not re.fullmatch(rf"[0-9a-f]{{{_LENGTH[algorithm]}}}", digest):
        raise MalformedRepomd(f"the {kind} metadata has no proper {algorithm} digest")
    size, plain = (
        whole_number(element.findtext(f"{_NAMESPACE}{name}") or "")
        for name in ("size", "open-size")
    )
    return Record(kind, href, algorithm, digest, size or 0, plain)


def strongest(digests: dict[str, str]) -> tuple[str, str] | None:
    """The best of some digests by algorithm, None when there is none to rely on."""
    known = [name for name in digests if name in _STRENGTH]
    if not known:
        return None
    best = max(known, key=lambda name: _STRENGTH[name])
    return best, digests[best].lower()
