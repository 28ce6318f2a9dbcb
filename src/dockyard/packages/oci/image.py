"""Finds an image by its reference, and brings its disk.

    found = find(reference, platform, registry, cache)   # a tag becomes a digest
    path = bring(found, registry, cache)                 # every byte checked against it

A manifest that is named by a digest and is there already needs no network.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path

from dockyard.errors import DockyardError, Problem
from dockyard.host.network import read_whole
from dockyard.packages.fetch import Progress, Wanted, fetch
from dockyard.packages.oci.cache import Cache
from dockyard.packages.oci.manifest import (
    ACCEPTED,
    CONFIGS,
    Descriptor,
    Manifest,
    Platform,
    check_digest,
    chosen,
    disk_of,
    file_name,
    packing,
    platform_of,
    read_manifest,
)
from dockyard.packages.oci.reference import Reference
from dockyard.packages.oci.registry import LARGEST_MANIFEST, Registry

_DEEPEST = 2  # indexes within one another

# What fetching says of a mirror, as it is to be said of a registry.
_SAID = {
    "fetch.gone": ("oci.not-there", "the registry lists the file and does not give it: ask whoever "
                   "runs it, or name another image"),
    "fetch.digest-mismatch": ("oci.digest", "do not use that registry before you know why"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class FoundImage:
    """An image in a registry. asked: how it was named; digest: of its manifest."""

    asked: Reference
    digest: str
    disk: Descriptor

    @property
    def pinned(self) -> Reference:
        """The reference that means this image for ever."""
        return self.asked.pinned(self.digest)


def find(
    asked: Reference, platform: Platform | None, default: Platform, registry: Registry, cache: Cache
) -> FoundImage:
    """The image that a reference means now. platform: as the user asks for it; default: of an index
    where nothing is asked. Raises DockyardError (`oci.…`, `network.…`).
    """
    top = _manifest(asked.digest or asked.tag, asked, registry, cache)
    found, seen = top, 0
    while found.is_index:
        seen += 1
        if seen > _DEEPEST:
            what = f"{asked} is an index of an index of an index"
            raise DockyardError(Problem("oci.manifest", what, fix="name one of its images"))
        entry = chosen(found, platform or default, asked)
        found = _manifest(entry.digest, asked, registry, cache)
    if platform is not None and found is top:
        _require_platform(found, platform, asked, registry)
    return FoundImage(asked, found.digest, disk_of(found, asked))


def bring(
    found: FoundImage, registry: Registry, cache: Cache, progress: Progress | None = None
) -> Path:
    """The disk of an image as a file. Raises DockyardError."""
    with cache.only(found.digest):
        kept = cache.disk(found.digest)
        if kept is not None:
            return kept
        disk = found.disk
        name = file_name(disk)
        url = registry.blob_url(disk.digest)
        wanted = Wanted(disk.digest, disk.size, (url,), f"{name} of {found.asked}")
        try:
            fetch([wanted], cache.blobs, progress=progress, jobs=1, network=registry)
        except DockyardError as error:
            raise DockyardError(*(_of_registry(each) for each in error.problems)) from error
        _require_size(cache.blobs.path(disk.digest), disk, found)
        return cache.take(found.digest, disk.digest, name, packing(name))


def _manifest(which: str, asked: Reference, registry: Registry, cache: Cache) -> Manifest:
    """The manifest of a tag or a digest. What a digest names is what its bytes are, wherever they
    come from.
    """
    is_digest = ":" in which
    kept = cache.manifest(which) if is_digest else None
    data, kind = (kept, "") if kept is not None else registry.manifest(which, ACCEPTED)
    digest = which if is_digest else f"sha256:{hashlib.sha256(data).hexdigest()}"
    if is_digest:
        check_digest(data, which, f"the manifest of {asked}")
    manifest = read_manifest(data, kind, digest, asked)
    if kept is None:
        cache.keep_manifest(digest, data)
    return manifest


def _require_platform(
    found: Manifest, platform: Platform, asked: Reference, registry: Registry
) -> None:
    """Hold an image that is in no index against the platform that its configuration says."""
    config, has = found.config, None
    if config is not None and config.media_type in CONFIGS and config.size <= LARGEST_MANIFEST:
        with registry.open(registry.blob_url(config.digest)) as transfer:
            data = read_whole(transfer, LARGEST_MANIFEST)
        check_digest(data, config.digest, f"the configuration of {asked}")
        try:
            has = platform_of(json.loads(data))
        except (ValueError, RecursionError):
            has = None
    if has is None or not platform.fits(has):
        raise DockyardError(
            Problem(
                "oci.platform",
                f"{asked} is no image for {platform}",
                why=f"it is one for {has}" if has else "it is one image, and says no platform",
                fix="leave the platform out, or name another image",
            )
        )


def _require_size(path: Path, disk: Descriptor, found: FoundImage) -> None:
    if (size := path.stat().st_size) != disk.size:
        path.unlink()
        what = f"the disk of {found.asked} has {size} bytes, and its manifest says {disk.size}"
        raise DockyardError(Problem("oci.manifest", what, fix="ask whoever made the image"))


def _of_registry(problem: Problem) -> Problem:
    code, fix = _SAID.get(problem.code, (problem.code, problem.fix))
    return replace(problem, code=code, fix=fix)
