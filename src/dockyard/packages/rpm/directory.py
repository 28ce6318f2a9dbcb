"""A directory of RPMs as a repository: metadata made of the packages' own headers.

Headers and digests of files that have not changed (by size, times and inode) are not read again:
what was found is kept in the cache, one record for the directory.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from dockyard.errors import DockyardError, Problem, Problems
from dockyard.host import stopping
from dockyard.host.files import write_atomic
from dockyard.packages.blobs import digest_of, digest_of_file
from dockyard.packages.rpm.primary import chunk, from_chunks, listed
from dockyard.packages.rpm.reader import read_package

_FORMAT = 1


def read_directory(directory: Path, cache: Path) -> tuple[str, bytes]:
    """The identity and primary.xml of the packages below a directory; source packages are left out.

    Raises DockyardError (`rpm.malformed`, `repository.empty`) with every file that is no package.
    """
    record = cache / "directories" / f"{hashlib.sha256(os.fsencode(directory)).hexdigest()}.json"
    known = _load(record)
    paths = list(_packages(directory))
    if not paths:
        what = f"there are no RPM packages in {directory}"
        fix = "name the directory that has them"
        raise DockyardError(Problem("repository.empty", what, str(directory), fix=fix))
    problems = Problems()

    def read(path: Path) -> tuple[str, str]:
        stopping.check()
        mark = _mark(path)
        location = str(path.relative_to(directory))
        if known.get(location, ("", ""))[0] == mark:
            return mark, known[location][1]
        package = read_package(path)
        found = listed(package, location, digest_of_file(path), path.stat().st_size)
        return mark, chunk(found) if found.arch not in ("src", "nosrc") else ""

    entries: dict[str, tuple[str, str]] = {}
    with ThreadPoolExecutor(2) as pool:
        futures = {path: pool.submit(read, path) for path in paths}
        for path, future in futures.items():
            try:
                entries[str(path.relative_to(directory))] = future.result()
            except DockyardError as error:
                problems.extend(error.problems)
            except OSError as error:
                what = f"{path.name} cannot be read"
                problems.add("rpm.unreadable", what, str(path), why=str(error))
    problems.raise_any()
    if entries != known:
        record.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(record, json.dumps([_FORMAT, entries]).encode("utf-8", "surrogateescape"))
    primary = from_chunks(text for _, text in entries.values() if text)
    return digest_of(primary), primary


def _packages(directory: Path) -> Iterator[Path]:
    """The .rpm files below a directory; links to directories are not followed."""
    for parent, directories, names in os.walk(directory):
        directories.sort()
        yield from (Path(parent, name) for name in sorted(names) if name.endswith(".rpm"))


def _mark(path: Path) -> str:
    status = path.stat()
    return f"{status.st_size}:{status.st_mtime_ns}:{status.st_ctime_ns}:{status.st_ino}"


def _load(record: Path) -> dict[str, tuple[str, str]]:
    try:
        loaded = json.loads(record.read_bytes())
        if loaded[0] != _FORMAT:
            return {}
        return {str(name): (str(mark), str(text)) for name, (mark, text) in loaded[1].items()}
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return {}
