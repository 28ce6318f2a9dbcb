"""Keeps a loaded repository in libsolv's binary form, with its digest before it.

    SHA-256 of the rest in hex, a newline; what libsolv writes (its solv format)

libsolv takes a damaged file for what it says: a package of another name would come into a lock
without a word. So nothing is loaded that is not what was written.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import solv

from dockyard.host.files import write_atomic


def read_kept(repo: Any, path: Path) -> bool:
    """Load what was kept of a repository; False when there is nothing, or it is damaged."""
    try:
        given, _, data = path.read_bytes().partition(b"\n")
    except OSError:
        return False
    if hashlib.sha256(data).hexdigest().encode() != given:
        return False
    with _memory() as descriptor:
        _fill(descriptor, data)
        source = solv.xfopen_fd("", os.dup(descriptor))
        good = bool(repo.add_solv(source))
        source.close()
    if not good:
        repo.empty()
    return good


def keep(repo: Any, path: Path) -> None:
    """Keep a loaded repository. Raises OSError."""
    with _memory() as descriptor:
        target = solv.xfopen_fd("", os.dup(descriptor), "w")
        good = bool(repo.write(target))
        target.close()
        if not good:
            return
        os.lseek(descriptor, 0, os.SEEK_SET)
        with os.fdopen(os.dup(descriptor), "rb") as file:
            data = file.read()
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, hashlib.sha256(data).hexdigest().encode() + b"\n" + data)


@contextmanager
def _memory() -> Iterator[int]:
    descriptor = os.memfd_create("solv")
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _fill(descriptor: int, data: bytes) -> None:
    with os.fdopen(os.dup(descriptor), "wb") as file:
        file.write(data)
    os.lseek(descriptor, 0, os.SEEK_SET)
