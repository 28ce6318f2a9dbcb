"""Exports results of a store to a file, and imports them into another: of another user or machine.

    dockyard-results 1 <SHA-256 of the next line, in hex>
    [{"key": …, "content": …, "facts": …, "steps": [id, …]}, …]     one line of JSON
    one canonical stream for each result, in that order (see `archive.stream`)

all of it compressed by zstd, where that was chosen. A stream has what the result has: owners,
attributes, hard links, marks of overlayfs. The user who built is CALLER in it, and whoever imports
takes that place.

An import checks each result against the digests of its content and of what it says of itself
(`facts`), and takes all of a file or nothing. That a key stands for this content is the word of who
exported it: import what you would run.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from dockyard import archive
from dockyard.archive import Entry
from dockyard.engine.store import FACTS, Store
from dockyard.errors import DockyardError, Problem
from dockyard.host import files, namespace, removal, seal, stopping
from dockyard.host.conditions import mode_for_caller
from dockyard.host.storage import output_refused
from dockyard.keeping.imported import note_imported
from dockyard.keeping.inventory import Result
from dockyard.packages.compression import ERRORS

if TYPE_CHECKING or sys.version_info < (3, 14):
    from backports import zstd
else:
    from compression import zstd

MAGIC = b"dockyard-results 1 "
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_LONGEST_LINE = 64 << 20
_NAME = re.compile(r"[a-z0-9-]{1,80}-[0-9a-f]{40}")
_DIGITS = 64  # of a SHA-256 in hex
_CHECKED: dict[int, int] = {zstd.CompressionParameter.checksum_flag: 1}

_BROKEN: tuple[type[Exception], ...] = (
    *(ValueError, KeyError, TypeError, AttributeError, RecursionError),
    *ERRORS,
)

Told = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import brought: keys of results that were not there, and how many were."""

    new: tuple[str, ...]
    there: int


@dataclass(frozen=True, slots=True)
class _Listed:
    """A result as the head of a file lists it. facts: the digest of what it says of itself. steps:
    ids that it answers.
    """

    key: str
    content: str
    facts: str
    steps: tuple[str, ...]


def export_results(
    store: Store, results: Sequence[Result], target: Path, told: Told, *, compress: bool = False
) -> int:
    """Write results to a file, whole or not at all; gives its size in bytes. Needs the namespace.

    compress: by zstd; without it holes of files are written out. told: gets the title of each, how
    many were written, and how many there are. Raises
    DockyardError, for a damaged result among others.
    """
    listed = [_listed(store, each) for each in results]
    with _written(target) as raw:
        out = raw
        if compress:
            out = cast(IO[bytes], zstd.ZstdFile(cast(Any, raw), "wb", options=_CHECKED))
        head = json.dumps(listed).encode() + b"\n"
        out.write(MAGIC + hashlib.sha256(head).hexdigest().encode() + b"\n" + head)
        for number, result in enumerate(results):
            told(result.title or result.key, number, len(results))
            place = store.place(result.key).resolve()  # it may be another store's
            sealed = seal.Digests(place)
            found = archive.scan_raw(place, sealed.of, exclude=[os.fsencode(seal.NAME)])
            archive.write_stream(found.changed(_without_time_of_root), out)
        if compress:
            out.close()
    return target.stat().st_size


def _without_time_of_root(entry: Entry) -> Entry:
    """When a result was put into this store is not what it holds."""
    return entry if entry.path else replace(entry, mtime_ns=0)


def _listed(store: Store, result: Result) -> dict[str, object]:
    why = "" if store.untouched(result.key) else store.damage(result.key)
    content = store.content(result.key)
    if why or content is None:
        raise DockyardError(
            Problem(
                "store.damaged",
                "a result is not exported, for it is damaged",
                str(store.place(result.key)),
                why=why or "it has no seal",
                fix="remove what is damaged with: dockyard store verify; then build again",
            )
        )
    facts = files.digest(store.place(result.key) / FACTS)
    return {"key": result.key, "content": content, "facts": facts, "steps": list(result.ids)}


@contextmanager
def _written(target: Path) -> Iterator[IO[bytes]]:
    """A file that appears under its name when the block ends well."""
    part = files.part_of(target)
    try:
        files.remove_parts(target)
        with part.open("xb") as out:
            yield out
        part.chmod(mode_for_caller())
        part.rename(target)
    except OSError as error:
        why, what_to_do = output_refused(error)
        raise DockyardError(
            Problem(
                "store.export",
                f"the results could not be written to {target}",
                why=why,
                fix=f"{what_to_do} --output",
            )
        ) from error
    finally:
        with suppress(OSError):
            part.unlink()


def import_results(store: Store, source: Path, told: Told) -> Imported:
    """Bring the results of a file into a store: all of them, or none when one is not what it should
    be. Needs the namespace. told: as in export_results. Raises DockyardError.
    """
    name = f"import-{os.getpid()}"
    with store.exclusive(name):
        staged = store.root / "work" / name
        removal.remove_tree(staged)
        staged.mkdir()
        try:
            with _trouble_told(source), source.open("rb") as raw:
                listed = _unpacked(raw, staged, told)
            return _publish(store, staged, listed)
        finally:
            with stopping.clearing():
                removal.remove_tree(staged)
            files.remove_lock(store.root / "locks" / name)


def _unpacked(raw: IO[bytes], staged: Path, told: Told) -> list[_Listed]:
    """Unpack, check and seal every result of an open file."""
    compressed = raw.read(len(_ZSTD_MAGIC)) == _ZSTD_MAGIC
    raw.seek(0)
    source = cast(IO[bytes], zstd.ZstdFile(raw)) if compressed else raw
    if source.read(len(MAGIC)) != MAGIC:
        raise ValueError("it is not a file that `dockyard store export` wrote")
    digest, line = source.readline(_DIGITS + 1), source.readline(_LONGEST_LINE)
    if digest != hashlib.sha256(line).hexdigest().encode() + b"\n":
        raise ValueError("its list of results has other content than its digest says")
    listed = _head(line)
    for number, each in enumerate(listed):
        told(each.key, number, len(listed))
        place = staged / each.key
        place.mkdir()
        known = archive.unpack_stream(source, place, _owner)
        source.read(512)  # the second of the two blocks that end a stream
        if os.path.lexists(place / seal.NAME):
            raise ValueError(f"{each.key} brings a seal of its own")
        content = seal.write(place, known, beside=(FACTS,))
        if (content, known.get(FACTS)) != (each.content, each.facts):
            raise ValueError(f"{each.key} has other content than its digest says")
        _require_facts(place / FACTS)
    if source.read(1):
        raise ValueError("something follows its last result")
    return listed


def _require_facts(path: Path) -> None:
    """Raise one of `_BROKEN` for what is nothing that a result says of itself."""
    facts = json.loads(files.read_regular(path))
    texts = [facts.get(name, "") for name in ("name", "kind", "title", "group", "function")]
    for read in ("inputs", "borrowed"):
        texts += facts.get(read, {}).values()
    if not all(isinstance(text, str) for text in texts):
        raise ValueError(f"{path.parent.name} says of itself what is no text")


def _head(line: bytes) -> list[_Listed]:
    found = [
        _Listed(each["key"], each["content"], each["facts"], tuple(each["steps"]))
        for each in json.loads(line)
    ]
    names = [each.key for each in found]
    if not all(_NAME.fullmatch(name) for each in found for name in (each.key, *each.steps)):
        raise ValueError("it lists something that is no name of a result")
    if len(set(names)) != len(names):
        raise ValueError("its list has a result twice")
    return found


def _owner(number: int) -> int:
    return namespace.caller() if number == namespace.CALLER else number


def _publish(store: Store, staged: Path, listed: Sequence[_Listed]) -> Imported:
    new = []
    for each in listed:
        with store.exclusive(each.key):
            if not store.place(each.key).is_dir():
                (staged / each.key).rename(store.place(each.key))
                new.append(each.key)
        for step in each.steps:
            store.note_key(step, each.key)
    note_imported(store, (each.key for each in listed))
    return Imported(tuple(new), len(listed) - len(new))


@contextmanager
def _trouble_told(source: Path) -> Iterator[None]:
    """Turn what is wrong with a file into one problem; what is wrong with the store passes."""
    try:
        yield
    except DockyardError as error:
        (problem, *_) = error.problems
        if problem.code == "host.no-space":
            raise
        raise DockyardError(_refused(source, problem.why or problem.what)) from error
    except _BROKEN as error:
        if isinstance(error, OSError) and error.errno is not None:
            if error.filename == str(source):
                raise DockyardError(_refused(source, error.strerror or str(error))) from error
            raise
        raise DockyardError(_refused(source, str(error))) from error


def _refused(source: Path, why: str) -> Problem:
    return Problem(
        "store.import",
        "nothing was imported: the file is not a whole export of a store",
        str(source),
        why=why,
        fix="export it again with `dockyard store export`, or copy it again",
    )
