"""A directory that a format is, as one file: a tar with nothing of the host in it."""

from __future__ import annotations

from pathlib import Path

from dockyard.archive import Archive, Entry, Kind


def archive_of(folder: Path, epoch: int) -> Archive:
    """All that is in a directory, as root's, with the image's time (seconds since 1970)."""
    mtime_ns = epoch * 10**9
    entries = [Entry(b"", Kind.DIRECTORY, 0o755, mtime_ns=mtime_ns)]
    data: dict[bytes, bytes | Path] = {}
    for path in sorted(folder.rglob("*")):
        at = bytes(path.relative_to(folder))
        if path.is_dir():
            entries.append(Entry(at, Kind.DIRECTORY, 0o755, mtime_ns=mtime_ns))
        else:
            entries.append(Entry(at, Kind.FILE, 0o644, mtime_ns=mtime_ns))
            data[at] = path
    return Archive.from_entries(entries, data)
