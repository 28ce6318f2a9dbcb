"""From packages that were chosen to pins that hold, and from pins to the files that they mean.

For a repository that pins content, the file is opened and its header and payload are digested;
the result is remembered by the digest of the whole file. `Availability` tells which pins can still
be had, and from where.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from dockyard.errors import DockyardError, Problems
from dockyard.host import stopping
from dockyard.host.files import write_atomic
from dockyard.host.network import file_path
from dockyard.model.packages import Pin, PinBy, RpmRepository
from dockyard.packages.access import Access
from dockyard.packages.blobs import digest_of_file, mismatch, split_digest
from dockyard.packages.fetch import FetchEvent, Progress, Wanted, fetch
from dockyard.packages.pool import every_pin
from dockyard.packages.rpm import mirrors
from dockyard.packages.rpm.mirrors import join
from dockyard.packages.rpm.primary import IndexedPackage, listed
from dockyard.packages.rpm.reader import content_digest, read_package
from dockyard.packages.rpm.repository import Metadata

A = TypeVar("A")
B = TypeVar("B")

_JOBS = 8
_GONE = ("fetch.gone", "fetch.digest-mismatch")
_NO_DIGEST = "sha256:" + "0" * 64


def pin_by_content(pins: Iterable[Pin], opened: Sequence[Metadata], access: Access) -> list[Pin]:
    """The same pins, those of repositories that pin content by their content."""
    known = {each.repository.id: each for each in opened}

    def pinned(pin: Pin) -> Pin:
        metadata = known[pin.repository]
        if metadata.repository.pin is not PinBy.CONTENT:
            return pin
        content = content_of(pin, metadata, access)
        return replace(pin, digest="", size=0, content=content)

    return _each(pinned, list(pins))


def _each(work: Callable[[A], B], items: Sequence[A], jobs: int = 2) -> list[B]:
    """The results of some work in the order of the items; the problems of all are raised
    together.
    """
    problems = Problems()
    results: list[B] = []

    def unless_stopped(item: A) -> B:
        stopping.check()
        return work(item)

    with ThreadPoolExecutor(jobs) as pool:
        for future in [pool.submit(unless_stopped, item) for item in items]:
            try:
                results.append(future.result())
            except DockyardError as error:
                problems.extend(error.problems)
    problems.raise_any()
    return results


def content_of(pin: Pin, metadata: Metadata, access: Access) -> str:
    """The content digest of a package that the metadata lists, by its file's digest."""
    record = access.cache / "content" / split_digest(pin.digest)
    with suppress(FileNotFoundError):
        return record.read_text()
    path = local_file(pin.path, metadata.bases)
    if path is None:
        urls = tuple(join(base, pin.path) for base in metadata.bases)
        wanted = Wanted(pin.digest, pin.size, urls, pin.nevra, metadata.repository.position)
        fetch([wanted], access.blobs, progress=access.progress, offline=access.offline)
        path = access.blobs.path(pin.digest)
    elif (found := digest_of_file(path)) != pin.digest:
        problem = mismatch(pin.nevra, pin.digest, found, str(path))
        fix = f"regenerate the metadata of repository {pin.repository}"
        why = f"the repository's metadata says {pin.digest}, the file has {found}"
        what = f"{pin.nevra} is not the file that its repository lists"
        raise DockyardError(replace(problem, what=what, why=why, fix=fix))
    content = content_digest(path)
    record.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(record, content.encode())
    return content


def local_file(path: str, bases: Iterable[str]) -> Path | None:
    """The file of a package, where its repository is a directory of this machine."""
    for base in bases:
        if base.startswith("file://") and (file := file_path(join(base, path))).is_file():
            return file
    return None


def file_here(pin: Pin, repository: RpmRepository) -> Path | None:
    """The file of a pin, where a directory of this machine is named as its repository."""
    return local_file(pin.path, map(mirrors.base, repository.base_urls))


@dataclass(frozen=True, slots=True)
class Availability:
    """Which pins can still be had.

    listed: those that the current metadata lists with the same bytes. spare: the files of the
    others that somebody still has. gone: those that nobody has.
    """

    listed: tuple[Pin, ...]
    spare: Mapping[Pin, Path]
    gone: frozenset[Pin]

    @staticmethod
    def of(pins: Sequence[Pin], opened: Sequence[Metadata], access: Access) -> Availability:
        """Look at metadata, blobs, offline directories, and then ask the mirrors.

        What the metadata does not list is fetched: a mirror may have other bytes at the same
        place. Raises DockyardError when a mirror cannot be asked.
        """
        known = {each.repository.id: each for each in opened}
        current = {pin.key: pin for pin in every_pin(opened, access.cache)}
        listed_now: list[Pin] = []
        others: list[Pin] = []
        for pin in pins:
            metadata, now = known.get(pin.repository), current.get(pin.key)
            same = metadata and now and _same(pin, now, metadata, access)
            (listed_now if same else others).append(pin)
        one_at_a_time = replace(access, progress=_in_turn(access.progress))
        places = _each(
            lambda pin: _elsewhere(pin, known.get(pin.repository), one_at_a_time), others, _JOBS
        )
        spare = {pin: place for pin, place in zip(others, places, strict=True) if place}
        return Availability(tuple(listed_now), spare, frozenset(others) - spare.keys())

    def unlisted(self) -> list[tuple[Pin, IndexedPackage]]:
        """The pins that only somebody else than the metadata has, with their descriptions."""
        return [
            (pin, listed(read_package(path), pin.path, pin.digest or _NO_DIGEST, pin.size))
            for pin, path in self.spare.items()
        ]


def _same(pin: Pin, now: Pin, metadata: Metadata, access: Access) -> bool:
    if pin.content is None:
        return pin.digest == now.digest
    return content_of(now, metadata, access) == pin.content


def _elsewhere(pin: Pin, metadata: Metadata | None, access: Access) -> Path | None:
    """The file of a pin that the metadata does not list; None when nobody has it."""
    bases = metadata.bases if metadata else ()
    if not pin.digest:  # only its content is known, and no mirror is asked for contents
        path = local_file(pin.path, bases)
        return path if path and content_digest(path) == pin.content else None
    urls = tuple(join(base, pin.path) for base in bases)
    wanted = Wanted(pin.digest, pin.size, urls, pin.nevra)
    try:
        fetch([wanted], access.blobs, progress=access.progress, offline=access.offline)
    except DockyardError as error:
        if all(problem.code in _GONE for problem in error.problems):
            return None
        raise
    return access.blobs.path(pin.digest)


def _in_turn(progress: Progress | None) -> Progress | None:
    """The same listener, told of one event at a time by several fetches."""
    if progress is None:
        return None
    listener, lock = progress, threading.Lock()

    def tell(event: FetchEvent) -> None:
        with lock:
            listener(event)

    return tell
