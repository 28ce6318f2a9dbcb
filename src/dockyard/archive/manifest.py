"""The manifest of a tree: one JSON object per line and entry, in canonical order.

Made for people, jq(1) and auditors, and for comparison with the running system. In a path
or target that is not UTF-8 the odd bytes are lone surrogates, as Python and other programs write
them; JSON itself knows no bytes.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from functools import lru_cache

from dockyard.archive.archive import Archive
from dockyard.archive.entry import DEVICES, NANOSECONDS, XATTR_SELINUX, Entry, Kind

_TYPES = {
    Kind.DIRECTORY: "directory",
    Kind.FILE: "file",
    Kind.SYMLINK: "symlink",
    Kind.HARDLINK: "hardlink",
    Kind.CHARACTER: "character-device",
    Kind.BLOCK: "block-device",
    Kind.FIFO: "fifo",
}


def manifest(
    archive: Archive,
    packages: Mapping[bytes, str] | None = None,
    fat: Collection[bytes] = (),
) -> bytes:
    """The manifest as UTF-8 text. packages: for a path the package that owns it. fat: directories
    with a file system that has no owners, modes and exact times, so that its lines have none.
    """
    owners = packages or {}
    plain = tuple(path + b"/" for path in fat)
    encode = json.JSONEncoder(separators=(",", ":")).encode
    lines = [
        encode(_line(entry, owners.get(entry.path), entry.path.startswith(plain)))
        for entry in archive
    ]
    return "\n".join([*lines, ""]).encode()


def _line(entry: Entry, package: str | None, plain: bool) -> dict[str, object]:
    line: dict[str, object] = {"path": "/" + _text(entry.path), "type": _TYPES[entry.kind]}
    if not plain:
        line |= {
            "mode": f"{entry.mode:04o}",
            "uid": entry.uid,
            "gid": entry.gid,
            "mtime": _time(entry.mtime_ns),
        }
    if entry.kind in (Kind.FILE, Kind.HARDLINK) and entry.digest:
        line |= {"size": entry.size, "sha256": entry.digest}
    if entry.kind is Kind.SYMLINK:
        line["target"] = _text(entry.target)
    if entry.kind is Kind.HARDLINK:
        line["target"] = "/" + _text(entry.target)
    if entry.kind in DEVICES:
        line["device"] = f"{entry.rdev[0]}:{entry.rdev[1]}"
    if entry.xattrs and not plain:
        line["xattrs"] = {_text(name): _value(name, value) for name, value in entry.xattrs}
    if package:
        line["package"] = package
    return line


def _text(value: bytes) -> str:
    return value.decode("utf-8", errors="surrogateescape")


def _value(name: bytes, value: bytes) -> str:
    if name == XATTR_SELINUX:
        return _text(value.rstrip(b"\0"))
    return "base64:" + base64.b64encode(value).decode()


@lru_cache(maxsize=4096)
def _time(mtime_ns: int) -> str:
    seconds, fraction = divmod(mtime_ns, NANOSECONDS)
    try:
        text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    except (ValueError, OverflowError, OSError):
        return f"@{seconds}.{fraction:09d}"
    return f"{text}.{fraction:09d}Z" if fraction else f"{text}Z"
