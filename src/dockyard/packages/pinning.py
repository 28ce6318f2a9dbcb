"""From packages that were chosen to pins that hold, and from pins to the files that they mean.

For a repository that pins content, the file is opened and its header and payload are digested;
the result is remembered by the digest of the whole file. `Availability` tells which pins can still
be had, and from where.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from dockyard.errors import DockyardError, Problems
from dockyard.host.files import write_atomic
from dockyard.host.network import file_path
from dockyard.model.packages import Pin, PinBy
from dockyard.packages.access import Access
from dockyard.packages.blobs import digest_of_file, mismatch, split_digest
from dockyard.packages.fetch import Wanted, fetch
from dockyard.packages.pool import every_pin
from dockyard.packages.rpm.primary import Listed, listed
from dockyard.packages.rpm.reader import content_digest, read_package
from dockyard.packages.rpm.repository import Metadata

_JOBS = 8
_GONE = ("fetch.gone", "fetch.digest-mismatch")
_NO_DIGEST = "sha256:" + "0" * 64


def pin_by_content(pins: Iterable[Pin], opened: Sequence[Metadata], access: Access) -> list[Pin]:
    """The same pins, those of repositories that pin content by their content."""
    known = {each.repository.id: each for each in opened}
    pinned = []
    problems = Problems()
    for pin in pins:
        if known[pin.repository].repository.pin is PinBy.CONTENT:
            try:
                content = content_of(pin, known[pin.repository], access)
            except DockyardError as error:
                problems.extend(error.problems)
                continue
            pin = replace(pin, digest="", size=0, content=content)
        pinned.append(pin)
    problems.raise_any()
    return pinned


def content_of(pin: Pin, metadata: Metadata, access: Access) -> str:
    """The content digest of a package that the metadata lists, by its file's digest."""
    record = access.cache / "content" / split_digest(pin.digest)
    if record.is_file():
        return record.read_text()
    path = local_file(pin.path, metadata.bases)
    if path is None:
        urls = tuple(base + pin.path for base in metadata.bases)
        wanted = Wanted(pin.digest, pin.size, urls, pin.nevra, metadata.repository.position)
        fetch([wanted], access.blobs, progress=access.progress, offline=access.offline)
        path = access.blobs.path(pin.digest)
    elif (found := digest_of_file(path)) != pin.digest:
        problem = mismatch(pin.nevra, pin.digest, found, str(path))
        fix = f"make the metadata of repository {pin.repository} anew"
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
        if base.startswith("file://") and (file := file_path(base + path)).is_file():
            return file
    return None


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
        problems = Problems()
        spare: dict[Pin, Path] = {}
        with ThreadPoolExecutor(_JOBS) as pool:
            asked = [
                pool.submit(_elsewhere, pin, known.get(pin.repository), access) for pin in others
            ]
            for pin, future in zip(others, asked, strict=True):
                try:
                    if place := future.result():
                        spare[pin] = place
                except DockyardError as error:
                    problems.extend(error.problems)
        problems.raise_any()
        return Availability(tuple(listed_now), spare, frozenset(others) - spare.keys())

    def unlisted(self) -> list[tuple[Pin, Listed]]:
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
    urls = tuple(base + pin.path for base in bases)
    wanted = Wanted(pin.digest, pin.size, urls, pin.nevra)
    try:
        fetch([wanted], access.blobs, progress=access.progress, offline=access.offline)
    except DockyardError as error:
        if all(problem.code in _GONE for problem in error.problems):
            return None
        raise
    return access.blobs.path(pin.digest)
