"""Fills a directory that serves as an offline mirror of locks.

Its layout is that of `blobs`: every file by its digest, so one directory serves any number of
locks, and nobody needs to know where a file came from. Packages that are pinned by content have no
digest of their own: they are made on the spot, from what another lock pins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from dockyard.model.packages import Lock, PackageKind, Pin
from dockyard.packages.blobs import Blobs
from dockyard.packages.fetch import Progress, Wanted, fetch
from dockyard.packages.origins import Origins


@dataclass(frozen=True, slots=True)
class Filled:
    """What a directory holds now of some locks. made: pins by content, that are not in it."""

    files: int
    octets: int
    new: int
    made: tuple[Pin, ...]


def fill(
    locks: Mapping[Path, Lock],
    into: Path,
    store: Path,
    origins: Origins,
    bases: Mapping[str, Sequence[str]],
    progress: Progress | None = None,
) -> Filled:
    """Bring every file that locks pin by digest into a directory.

    bases: repository id → base addresses of images' repositories, each ending in `/`. What the
    store or an offline directory has is copied, the rest is fetched. Raises DockyardError as
    `fetch`.
    """
    target = Blobs(into)
    wanted: dict[str, Wanted] = {}
    made: dict[str, Pin] = {}
    for path, lock in locks.items():
        for pin in (*lock.packages, *lock.tools):
            if pin.digest:
                wanted.setdefault(pin.digest, _wanted(pin, path, origins, bases))
            else:
                made.setdefault(pin.nevra, pin)
    new = sum(not target.has(digest) for digest in wanted)
    offline = (Blobs.of_store(store).root, *origins.offline)
    into.mkdir(parents=True, exist_ok=True)
    fetch(list(wanted.values()), target, progress=progress, offline=offline)
    with suppress(OSError):
        (into / "partial").rmdir()
    octets = sum(item.size for item in wanted.values())
    return Filled(len(wanted), octets, new, tuple(sorted(made.values())))


def _wanted(pin: Pin, lock: Path, origins: Origins, bases: Mapping[str, Sequence[str]]) -> Wanted:
    places = list(bases.get(pin.repository, ()))
    if pin.kind is PackageKind.DEB:  # the tools, and packages of Debian's own archive
        places += [f"{mirror}/" for mirror in origins.mirrors]
    urls = tuple(dict.fromkeys(place + pin.path for place in places))
    return Wanted(pin.digest, pin.size, urls, pin.nevra, str(lock))
