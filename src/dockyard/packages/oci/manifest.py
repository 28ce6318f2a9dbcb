"""Manifests: which image of an index is meant, and which of its files is the disk."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from dockyard.errors import DockyardError, Problem
from dockyard.packages.oci.reference import Reference, is_digest

INDEXES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
MANIFESTS = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
ACCEPTED = (*INDEXES, *MANIFESTS)
CONFIGS = (
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
)
_TITLE = "org.opencontainers.image.title"
_EMPTY = "application/vnd.oci.empty.v1+json"
_DISKS = (".raw", ".img", ".qcow2", ".vhd", ".vhdx", ".vmdk")
_PACKED = (".zst", ".gz")
_MOST_ENTRIES = 1000
LARGEST_IMAGE = 256 << 30
"""Bytes that an image may have, packed or not."""
_ALGORITHMS = {"sha256": 64, "sha384": 96, "sha512": 128}


@dataclass(frozen=True, slots=True)
class Platform:
    """What an image runs on, as OCI calls it. An empty part is any."""

    os: str = "linux"
    architecture: str = ""
    variant: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)

    def fits(self, found: Platform) -> bool:
        pairs = zip(
            (self.os, self.architecture, self.variant),
            (found.os, found.architecture, found.variant),
            strict=True,
        )
        return all(not wanted or wanted == given for wanted, given in pairs)


@dataclass(frozen=True, slots=True)
class Descriptor:
    """What a manifest says of a blob or another manifest. size: bytes."""

    media_type: str
    digest: str
    size: int
    title: str = ""
    platform: Platform | None = None


@dataclass(frozen=True, slots=True)
class Manifest:
    """Either an index, with what it lists in `entries`, or an image with its layers in them."""

    digest: str
    is_index: bool
    config: Descriptor | None
    entries: tuple[Descriptor, ...]


def check_digest(data: bytes, digest: str, what: str) -> None:
    """Raise DockyardError (`oci.digest`) when some bytes are not what their digest says."""
    algorithm, _, value = digest.partition(":")
    if _ALGORITHMS.get(algorithm) != len(value):
        raise DockyardError(
            Problem(
                "oci.algorithm",
                f"{what} is named by {digest[:80]}",
                why=f"known are {', '.join(_ALGORITHMS)}",
                fix="give a digest of one of these",
            )
        )
    found = hashlib.new(algorithm, data).hexdigest()
    if found != value:
        raise DockyardError(
            Problem(
                "oci.digest",
                f"{what} is not what its digest says",
                why=f"the registry gave {algorithm}:{found}\nasked for was {digest}",
                fix="do not use that registry before you know why",
            )
        )


def read_manifest(data: bytes, kind: str, digest: str, reference: Reference) -> Manifest:
    """A manifest from its bytes. kind: the media type that the server gave it; digest: of them.

    Raises DockyardError (`oci.manifest`) for what is none.
    """
    try:
        told = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise _damaged(reference, "it is no JSON") from error
    if not isinstance(told, dict):
        raise _damaged(reference, "it is no JSON object")
    # What the manifest says of itself counts, where it says something (OCI Image 1.1, 4.2).
    kind = told["mediaType"] if isinstance(told.get("mediaType"), str) else kind
    if told.get("schemaVersion") != 2:
        version = str(told.get("schemaVersion"))[:20]
        raise _damaged(reference, f"its schemaVersion is {version}, and only 2 is read")
    if kind in INDEXES or (kind not in MANIFESTS and "manifests" in told):
        return Manifest(digest, True, None, _descriptors(told.get("manifests"), reference))
    if kind not in MANIFESTS and "layers" not in told:
        raise _damaged(reference, f"its media type is {kind[:80] or 'unknown'}")
    config = told.get("config")
    read = _descriptor(config, reference) if isinstance(config, dict) else None
    return Manifest(digest, False, read, _descriptors(told.get("layers"), reference))


def chosen(index: Manifest, platform: Platform, reference: Reference) -> Descriptor:
    """The image of an index for a platform: the first that fits, as clients of registries do."""
    for entry in index.entries:
        if entry.platform is not None and platform.fits(entry.platform):
            return entry
    (only, *more) = index.entries or (None,)
    if only is not None and not more and only.platform is None:
        return only
    has = ", ".join(dict.fromkeys(str(each.platform) for each in index.entries if each.platform))
    raise DockyardError(
        Problem(
            "oci.platform",
            f"{reference} has no image for {platform}",
            why=f"it has {has or 'images without a platform'}",
            fix="name another one with input.image.oci.platform",
        )
    )


def disk_of(manifest: Manifest, reference: Reference) -> Descriptor:
    """The file of an image that is its disk. Raises DockyardError (`oci.no-disk`)."""
    files = [each for each in manifest.entries if each.media_type != _EMPTY]
    disks = [each for each in files if _is_disk(each.title)]
    if not disks and len(files) == 1 and not files[0].title:
        disks = files
    if len(disks) != 1:
        names = ", ".join(repr(each.title or each.media_type) for each in files[:8])
        raise DockyardError(
            Problem(
                "oci.no-disk",
                f"{reference} has {'no' if not disks else 'more than one'} disk image",
                why=f"it has the files {names}" if names else "it has no files",
                fix="name an artefact with one file that ends in "
                f"{', '.join(_DISKS)}, or in one of these and {' or '.join(_PACKED)}",
            )
        )
    (disk,) = disks
    if disk.digest.partition(":")[0] != "sha256":
        raise _damaged(reference, f"the digest of its disk is {disk.digest.partition(':')[0]}, "
                       "and files are fetched by sha256 alone")  # fmt: skip
    if not 0 < disk.size <= LARGEST_IMAGE:
        raise _damaged(reference, f"its disk has {disk.size} bytes, and may have "
                       f"1 to {LARGEST_IMAGE}")  # fmt: skip
    return disk


def file_name(disk: Descriptor) -> str:
    """What a disk is called on this host: nothing of the registry's but a plain name."""
    name = re.sub(r"[^A-Za-z0-9._+-]+", "-", PurePosixPath(disk.title).name).strip(".-")[:100]
    return name or "image"


def packing(name: str) -> str:
    """The suffix of a name that says how the file is packed; "" for one that is not."""
    return next((each for each in _PACKED if name.lower().endswith(each)), "")


def _is_disk(title: str) -> bool:
    name = title.lower()
    return name.removesuffix(packing(name)).endswith(_DISKS)


def _descriptors(given: Any, reference: Reference) -> tuple[Descriptor, ...]:
    if not isinstance(given, list):
        raise _damaged(reference, "it has no list of what it is made of")
    if len(given) > _MOST_ENTRIES:
        raise _damaged(reference, f"it lists {len(given)} things, and may list {_MOST_ENTRIES}")
    return tuple(_descriptor(each, reference) for each in given)


def _descriptor(given: Any, reference: Reference) -> Descriptor:
    if not isinstance(given, dict) or not is_digest(given.get("digest")):
        raise _damaged(reference, "something that it lists has no digest")
    size = given.get("size")
    if type(size) is not int or size < 0:
        raise _damaged(reference, "something that it lists has no size")
    notes = given.get("annotations")
    title = notes.get(_TITLE) if isinstance(notes, dict) else None
    return Descriptor(
        media_type=_text(given.get("mediaType")),
        digest=given["digest"],
        size=size,
        title=_text(title),
        platform=platform_of(given.get("platform")),
    )


def platform_of(given: Any) -> Platform | None:
    """The platform that an index or a configuration says; None where it says none."""
    if not isinstance(given, dict) or not (given.get("os") or given.get("architecture")):
        return None
    return Platform(*(_text(given.get(key)) for key in ("os", "architecture", "variant")))


def _text(given: Any) -> str:
    """A text that may be printed."""
    text = given if isinstance(given, str) else ""
    return "".join(each if each.isprintable() else "?" for each in text[:300])


def _damaged(reference: Reference, why: str) -> DockyardError:
    what = f"the manifest of {reference} cannot be used"
    fix = "check the reference, and how the artefact was made"
    return DockyardError(Problem("oci.manifest", what, why=why, fix=fix))
