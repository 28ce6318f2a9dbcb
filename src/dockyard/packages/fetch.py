"""Fetches files by digest: side by side, resumed, verified, each once, from the first mirror that
gives the right bytes.

What has arrived is in `<blobs>/partial/<hex>.part` and the next run continues it, from any
mirror: every byte of a file counts in its digest, so it does not matter who gave it. A file lock on
the partial file keeps two processes from fetching the same. Every failure of a call is reported,
none hides another.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import IO, Protocol

from dockyard.errors import DockyardError, Position, Problem
from dockyard.host import stopping
from dockyard.host.files import take_lock
from dockyard.host.network import Network, Transfer, TransferFailed, host_of, url_text
from dockyard.host.storage import storage_problem
from dockyard.packages.blobs import Blobs, mismatch

TRIES = 3
"""How often one mirror may break off while it still brings new bytes or connects."""
_DOWN_AFTER = 2
_MOST = 8 << 30
"""Bytes that a file may have of which no size is known."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file to fetch. digest: `sha256:<hex>`. size: bytes, 0 when it is not known.

    urls: where it may be, in order. label: how a person calls it. where: who wants it.
    """

    digest: str
    size: int
    urls: tuple[str, ...]
    label: str
    where: Position | str | None = None


class Opens(Protocol):
    """What opens addresses: the network, or one of its servers with what it asks for."""

    def open(self, url: str, start: int = 0) -> Transfer:
        """Open an address, at an offset where its server can. Raises TransferFailed."""
        ...


class FetchState(StrEnum):
    """What became of a file."""

    STARTED = "started"
    PROGRESS = "progress"
    RETRIED = "retried"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class FetchEvent:
    """Something happened to one file. received: bytes of it that are there now."""

    state: FetchState
    wanted: Wanted
    received: int = 0
    note: str = ""


Progress = Callable[[FetchEvent], None]


def fetch(
    wanted: Sequence[Wanted],
    blobs: Blobs,
    *,
    progress: Progress | None = None,
    jobs: int = 8,
    offline: Sequence[Path] = (),
    network: Opens | None = None,
) -> None:
    """Bring every wanted file into the blobs; files that are there cost a look.

    network: to be closed by who gives it. offline: directories in the layout of Blobs that are
    tried first. progress: called from several threads, one call at a time. Raises DockyardError
    with one problem for each file that could not be had: `fetch.gone`, `fetch.mirror-down`,
    `fetch.digest-mismatch`, `host.no-space`.
    """
    missing = {item.digest: item for item in wanted if not blobs.has(item.digest)}
    if not missing:
        return
    batch = _Batch(blobs, progress, [Blobs(path) for path in offline])
    with _opens(network, jobs) as batch.network, ThreadPoolExecutor(jobs) as pool:
        futures = [pool.submit(batch.bring, item) for item in missing.values()]
        try:
            problems = [problem for future in futures if (problem := future.result())]
        except BaseException:
            batch.stop.set()
            pool.shutdown(cancel_futures=True)
            raise
    if problems:
        raise DockyardError(*sorted(set(problems), key=lambda problem: problem.what))


@contextmanager
def _opens(network: Opens | None, connections: int) -> Iterator[Opens]:
    if network is not None:
        yield network
        return
    with Network(connections) as own:
        yield own


class _Stopped(Exception):
    """Another file's failure, or the user, ended this batch."""


class _Batch:
    """What the threads of one call share."""

    network: Opens

    def __init__(self, blobs: Blobs, progress: Progress | None, offline: Sequence[Blobs]) -> None:
        self.blobs = blobs
        self.offline = offline
        self.stop = threading.Event()
        self._progress = progress
        self._lock = threading.Lock()
        self._failures: dict[str, int] = {}

    def tell(self, state: FetchState, item: Wanted, received: int = 0, note: str = "") -> None:
        if self._progress:
            with self._lock:
                self._progress(FetchEvent(state, item, received, note))

    def bring(self, item: Wanted) -> Problem | None:
        """Fetch one file; gives what went wrong, if anything."""
        stopping.check()
        if self.stop.is_set():
            return None
        try:
            with _exclusive(self.blobs, item.digest) as part:
                problem = self._from_anywhere(item, part) if part else None
        except _Stopped:
            return None
        except OSError as error:
            self.stop.set()
            problem = storage_problem(error, self.blobs.root)
        state = FetchState.FAILED if problem else FetchState.DONE
        self.tell(state, item, 0 if problem else item.size, problem.why if problem else "")
        return problem

    def _from_anywhere(self, item: Wanted, part: IO[bytes]) -> Problem | None:
        self.tell(FetchState.STARTED, item)
        for directory in self.offline:
            if directory.has(item.digest) and self._from_directory(item, directory, part):
                return None
        failures: list[tuple[str, Problem | TransferFailed]] = []
        for url in self._by_health(item.urls):
            failure = self._from_mirror(item, url, part)
            if failure is None:
                return None
            failures.append((url, failure))
        return _problem(item, failures)

    def _from_directory(self, item: Wanted, directory: Blobs, part: IO[bytes]) -> bool:
        source = directory.path(item.digest)
        if self._from_mirror(item, source.as_uri(), part) is None:
            return True
        self.tell(FetchState.RETRIED, item, 0, f"{source} is damaged")
        return False

    def _from_mirror(
        self, item: Wanted, url: str, part: IO[bytes]
    ) -> TransferFailed | Problem | None:
        """Try one mirror, going on where it breaks off. None: the file is in its place."""
        broken = 0
        while True:
            resumed = part.seek(0, os.SEEK_END)
            try:
                found = self._stream(item, url, part)
            except TransferFailed as failure:
                arrived = part.seek(0, os.SEEK_END)
                broken = broken + 1 if arrived <= resumed else 1
                if failure.gone:
                    return failure
                if broken >= TRIES:
                    self._count(url)
                    return failure
                self.tell(FetchState.RETRIED, item, arrived, failure.why)
                continue
            if found == item.digest:
                part.flush()
                self.blobs.adopt(Path(part.name), item.digest)
                return None
            part.truncate(0)
            if not resumed:
                return mismatch(item.label, item.digest, found, url_text(url), item.where)
            # What lay there before may have been wrong: once more from the first byte.
            self.tell(FetchState.RETRIED, item, 0, "the part that was there did not fit")

    def _stream(self, item: Wanted, url: str, part: IO[bytes]) -> str:
        """Append what the mirror gives to the part; gives the digest of the whole."""
        part.seek(0)
        start = part.seek(0, os.SEEK_END)
        if item.size and start > item.size:
            part.truncate(0)
            start = 0
        running = hashlib.sha256()
        if item.size and start == item.size:
            return _digest(part, running, start)
        with self.network.open(url, start) as transfer:
            if transfer.start not in (0, start):
                raise TransferFailed(url, f"the server gave bytes from {transfer.start} on")
            if transfer.start == 0:
                part.truncate(0)
            received = transfer.start
            _digest(part, running, received)
            for block in transfer.chunks():
                if self.stop.is_set():
                    raise _Stopped
                part.write(block)
                running.update(block)
                received += len(block)
                self.tell(FetchState.PROGRESS, item, received)
                if item.size and received > item.size:
                    break
                if received > _MOST:
                    part.truncate(0)
                    raise TransferFailed(url, f"it has no end: {_MOST >> 30} GiB came", gone=True)
            if transfer.size is not None and received < transfer.size:
                raise TransferFailed(url, f"it broke off after {received} of {transfer.size} bytes")
        return f"sha256:{running.hexdigest()}"

    def _by_health(self, urls: tuple[str, ...]) -> list[str]:
        """The addresses in order, those of servers that have failed repeatedly last."""
        with self._lock:
            down = {host for host, count in self._failures.items() if count >= _DOWN_AFTER}
        return sorted(urls, key=lambda url: host_of(url) in down)

    def _count(self, url: str) -> None:
        with self._lock:
            self._failures[host_of(url)] = self._failures.get(host_of(url), 0) + 1


@contextmanager
def _exclusive(blobs: Blobs, digest: str) -> Iterator[IO[bytes] | None]:
    """The partial file, locked against other processes; None when one of them has brought it."""
    path = blobs.partial(digest)
    while True:
        with path.open("a+b") as part:
            take_lock(part.fileno())
            if blobs.has(digest):
                if _same(part, path):
                    path.unlink()
                yield None
                return
            if _same(part, path):
                yield part
                return


def _same(part: IO[bytes], path: Path) -> bool:
    """Whether the open file is still the one at its path."""
    try:
        return os.path.samestat(os.fstat(part.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _digest(part: IO[bytes], running: hashlib._Hash, count: int) -> str:
    """Feed the first bytes of the part to the hash; leaves the part at its end."""
    part.flush()
    part.seek(0)
    while count > 0 and (block := part.read(min(count, 1 << 20))):
        running.update(block)
        count -= len(block)
    part.seek(0, os.SEEK_END)
    return f"sha256:{running.hexdigest()}"


def _problem(item: Wanted, failures: list[tuple[str, Problem | TransferFailed]]) -> Problem:
    """One problem out of what all mirrors said, the worst first."""
    for _, failure in failures:
        if isinstance(failure, Problem):
            return failure
    said = tuple(f"{url_text(url)}: {failure.why}" for url, failure in failures)
    gone = all(isinstance(failure, TransferFailed) and failure.gone for _, failure in failures)
    if gone:
        return Problem(
            code="fetch.gone",
            what=f"{item.label} is no longer where it was",
            where=item.where,
            why="no mirror has it" if failures else "no mirror is known for it",
            fix="name a directory that has it with --mirror-dir, or move what is gone, and only "
            "that, with --refresh-missing of the command that made the lock",
            excerpt=said,
        )
    return Problem(
        code="fetch.mirror-down",
        what=f"{item.label} could not be fetched",
        where=item.where,
        why="no mirror gave all of it",
        fix="check the network and the proxy settings, and run the command again; "
        "what has arrived is kept",
        excerpt=said,
    )
