"""Images that were fetched, by the digest of their manifest.

    <root>/digests/<algorithm>/<hex>/manifest.json    a manifest or an index, as the registry has it
                                     <name>           the disk, unpacked
                                     kept.json        its name and digest, and the file's stamp
    <root>/sha256, partial                            what is being fetched (packages.blobs)

A disk is used again when the file is what was written: by its stamp, else by reading all of it.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dockyard.errors import DockyardError, Problem
from dockyard.host import files, stopping
from dockyard.packages import compression
from dockyard.packages.blobs import Blobs
from dockyard.packages.oci.manifest import LARGEST_IMAGE

_MANIFEST = "manifest.json"
_KEPT = "kept.json"
_BLOCK = 1 << 16


class Cache:
    """A directory of images. Several processes may use it at once."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self.blobs = Blobs(self.root)

    def manifest(self, digest: str) -> bytes | None:
        """The bytes of a manifest, if they are there."""
        try:
            return (self._place(digest) / _MANIFEST).read_bytes()
        except OSError:
            return None

    def keep_manifest(self, digest: str, data: bytes) -> None:
        with self._told():
            place = self._place(digest)
            place.mkdir(parents=True, exist_ok=True)
            files.write_atomic(place / _MANIFEST, data)

    def disk(self, digest: str) -> Path | None:
        """The disk of a manifest, if it is there and what it was."""
        place = self._place(digest)
        try:
            kept = json.loads((place / _KEPT).read_bytes())
            path = place / Path(str(kept["file"])).name
            if kept["stamp"] == _stamp(path):
                return path
            if f"sha256:{files.digest(path)}" != kept["digest"]:
                return None
        except (OSError, ValueError, LookupError, TypeError):
            return None
        self._note(place, path, kept["digest"])
        return path

    @contextmanager
    def only(self, digest: str) -> Iterator[None]:
        """Let no other process bring the disk of a manifest meanwhile."""
        with self._told():
            place = self._place(digest)
            place.mkdir(parents=True, exist_ok=True)
            with files.exclusive(place / ".lock"):
                yield

    def take(self, digest: str, blob: str, name: str, packing: str) -> Path:
        """Make a blob that was fetched the disk of a manifest. packing: the suffix of its packing.

        Raises DockyardError (`oci.unpack`) for one that cannot be unpacked.
        """
        with self._told():
            place = self._place(digest)
            path = place / name.removesuffix(packing)
            source = self.blobs.path(blob)
            if packing:
                found = self._unpack(source, path, packing)
                source.unlink()
            else:
                source.rename(path)
                found = blob
            self._note(place, path, found)
            return path

    def _unpack(self, source: Path, path: Path, packing: str) -> str:
        part = files.part_of(path)
        files.remove_parts(path)
        try:
            with source.open("rb") as packed, part.open("wb") as out:
                running, size = hashlib.sha256(), 0
                plain = compression.decompressed(packed, packing)
                while block := plain.read(_BLOCK):
                    stopping.check()
                    size += len(block)
                    if size > LARGEST_IMAGE:
                        raise compression.TooLarge("it holds more than an image may have")
                    running.update(block)
                    if any(block):
                        out.write(block)
                    else:
                        out.seek(len(block), os.SEEK_CUR)
                out.truncate(size)
            part.rename(path)
        except compression.ERRORS as error:
            if isinstance(error, OSError) and error.errno:
                raise  # of this host's disk
            why = str(error) or type(error).__name__
            what = f"the image cannot be unpacked: {source.name[:12]}{packing}"
            fix = "the registry has it so; ask whoever made it"
            raise DockyardError(Problem("oci.unpack", what, why=why, fix=fix)) from error
        finally:
            part.unlink(missing_ok=True)
        return f"sha256:{running.hexdigest()}"

    def _note(self, place: Path, path: Path, digest: str) -> None:
        kept = {"file": path.name, "digest": digest, "stamp": _stamp(path)}
        files.write_atomic(place / _KEPT, json.dumps(kept).encode())

    def _place(self, digest: str) -> Path:
        algorithm, _, value = digest.partition(":")
        return self.root / "digests" / algorithm / value

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            what = "the directory of fetched images cannot be written"
            why = error.strerror or str(error)
            fix = "free space there, correct its permissions, or name another with "
            fix += "--image-cache-dir"
            raise DockyardError(Problem("oci.cache", what, str(self.root), why, fix)) from error


def _stamp(path: Path) -> list[Any]:
    """What shows, without reading it, that a file was not written to."""
    found = path.stat()
    return [found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns]
