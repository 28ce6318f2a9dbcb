"""From packages that were chosen to pins that hold, and from pins to the files that they mean.

For a repository that pins content, the file is opened and its header and payload are digested;
the result is remembered by the digest of the whole file. `Availability` tells which pins can still
be had, and from where.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from dockyard.errors import DockyardError, Problem, Problems
from dockyard.host.files import write_atomic
from dockyard.host.network import TransferFailed, file_path
from dockyard.model.packages import Pin, PinBy
from dockyard.packages.blobs import Blobs, digest_of_file, mismatch, split_digest
from dockyard.packages.fetch import Wanted, fetch
from dockyard.packages.pool import every_pin
from dockyard.packages.rpm.primary import Listed, listed
from dockyard.packages.rpm.reader import content_digest, read_package
from dockyard.packages.rpm.repository import Access, Metadata


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


@dataclass(frozen=True)
class Availability:
    """Which pins can still be had.

    listed: those that the current metadata lists with the same bytes. spare: the others that
    somebody still has, with the address or file. gone: those that nobody has.
    """

    listed: tuple[Pin, ...]
    spare: Mapping[Pin, Path | Wanted]
    gone: frozenset[Pin]
    _access: Access = field(repr=False)

    @staticmethod
    def of(pins: Sequence[Pin], opened: Sequence[Metadata], access: Access) -> Availability:
        """Look at metadata, blobs, offline directories, and then at the mirrors."""
        known = {each.repository.id: each for each in opened}
        current = {pin.key: pin for pin in every_pin(opened, access.cache)}
        listed_now: list[Pin] = []
        spare: dict[Pin, Path | Wanted] = {}
        gone: set[Pin] = set()
        problems = Problems()
        for pin in pins:
            metadata = known.get(pin.repository)
            now = current.get(pin.key)
            if metadata and now and _same(pin, now, metadata, access):
                listed_now.append(pin)
                continue
            try:
                place = _elsewhere(pin, metadata, access)
            except DockyardError as error:
                problems.extend(error.problems)
                continue
            if place is None:
                gone.add(pin)
            else:
                spare[pin] = place
        problems.raise_any()
        return Availability(tuple(listed_now), spare, frozenset(gone), access)

    def unlisted(self) -> list[tuple[Pin, Listed]]:
        """The pins that the metadata has no more but somebody else has, with their descriptions."""
        wanted = [place for place in self.spare.values() if isinstance(place, Wanted)]
        fetch(wanted, self._access.blobs, progress=self._access.progress)
        found = []
        for pin, place in self.spare.items():
            path = self._access.blobs.path(place.digest) if isinstance(place, Wanted) else place
            package = read_package(path)
            found.append((pin, listed(package, pin.path, pin.digest or "0" * 64, pin.size)))
        return found


def _same(pin: Pin, now: Pin, metadata: Metadata, access: Access) -> bool:
    if pin.content is None:
        return pin.digest == now.digest
    return content_of(now, metadata, access) == pin.content


def _elsewhere(pin: Pin, metadata: Metadata | None, access: Access) -> Path | Wanted | None:
    """Where a pin that the metadata does not list can be had; None when nobody has it."""
    if not pin.digest:  # only its content is known, and no mirror is asked for contents
        path = local_file(pin.path, metadata.bases if metadata else ())
        return path if path and content_digest(path) == pin.content else None
    for blobs in (access.blobs, *(Blobs(path) for path in access.offline)):
        if blobs.has(pin.digest):
            return blobs.path(pin.digest)
    unsure: list[str] = []
    for base in metadata.bases if metadata else ():
        try:
            if access.network.exists(base + pin.path):
                urls = tuple(each + pin.path for each in metadata.bases) if metadata else ()
                return Wanted(pin.digest, pin.size, urls, pin.nevra)
        except TransferFailed as error:
            unsure.append(error.why)
    if unsure:
        what = f"whether {pin.nevra} can still be had is not known"
        why = "a mirror could not be asked"
        fix = "check the network and the proxy settings, and run the command again"
        problem = Problem("fetch.mirror-down", what, None, why, fix, tuple(unsure))
        raise DockyardError(problem)
    return None
