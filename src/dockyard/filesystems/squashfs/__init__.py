"""SquashFS: written by sqfstar(1) from the canonical stream, read by our own reader.

What live media have their root in: read-only, compressed, with every attribute but that times are
whole seconds and that there are no ACLs. Options: `compression`, as sqfstar names it (`zstd`, `xz`,
`gzip`), by default `zstd`.
"""

from __future__ import annotations

import base64
from pathlib import Path

from dockyard.archive import Archive, Entry, streamed
from dockyard.archive.entry import NANOSECONDS, XATTR_ACL_ACCESS, XATTR_ACL_DEFAULT
from dockyard.errors import Problem
from dockyard.filesystems.image import Image, reading
from dockyard.filesystems.limits import (
    DEVICE_NUMBER,
    FIX_XATTR,
    LONG_NAME,
    LONG_TARGET,
    Limit,
    check_label,
    refusals,
    xattr_limit,
)
from dockyard.filesystems.spec import FilesystemSpec, too_small, whole_mebibytes
from dockyard.filesystems.squashfs import reader
from dockyard.host.sandbox import Tools

__all__ = ["flags", "minimum_size", "needs", "read", "refuse", "write"]

needs = "main"
flags: str = ""

_LAST_SECOND = (1 << 32) - 1
_NAMESPACES = (b"user.", b"trusted.", b"security.")
_ACLS = (XATTR_ACL_ACCESS, XATTR_ACL_DEFAULT)
RULES = (
    LONG_NAME,
    LONG_TARGET,
    Limit(
        "time",
        "times before 1970 or after 2106",
        lambda e: not 0 <= e.mtime_ns // NANOSECONDS <= _LAST_SECOND,
    ),
    DEVICE_NUMBER,
    xattr_limit(
        "acl",
        "ACLs",
        lambda name, _: name in _ACLS,
        "remove the ACLs in a script of the image, or choose another format",
        "squashfs has no place for them",
    ),
    xattr_limit(
        "xattr-name",
        "extended attributes with names of other namespaces, of more than 255 bytes, or with `=`",
        lambda name, _: (
            name not in _ACLS
            and (not name.startswith(_NAMESPACES) or len(name) > 255 or b"=" in name)
        ),
        FIX_XATTR,
        f"it knows {', '.join(name.decode() for name in _NAMESPACES)}; "
        "in the stream that sqfstar reads a name ends at the first `=`",
    ),
    xattr_limit(
        "xattr-size",
        "an extended attribute of more than 65535 bytes",
        lambda _, value: len(value) > 65535,
        FIX_XATTR,
    ),
)


def refuse(archive: Archive, at: bytes = b"") -> list[Problem]:
    """What SquashFS cannot hold. Fractions of seconds are none of it: times lose them."""
    return refusals(archive, "squashfs", RULES, at)


def minimum_size(archive: Archive) -> int:
    """Bytes that an image surely fits in."""
    size = 1 << 20
    for entry in archive:
        size += 256 + len(entry.name) + entry.size + len(entry.target)
        size += sum(len(name) + len(value) + 8 for name, value in entry.xattrs)
    return whole_mebibytes(size)


def write(archive: Archive, out: Path, size: int, spec: FilesystemSpec, tools: Tools) -> None:
    """Write an image, as large as it needs; it is padded to `size` bytes when that is more. A size
    of 0 leaves it as it is. It has neither a UUID nor a label. Raises DockyardError when it is
    larger.
    """
    check_label("squashfs", spec.label, 0)
    root = archive.entries[0]
    argv = ["sqfstar", "-quiet", "-no-progress", "-comp", spec.options.get("compression", "zstd")]
    argv += ["-mkfs-time", str(spec.epoch), "-root-mode", f"{root.mode:o}"]
    argv += ["-root-uid", str(root.uid), "-root-gid", str(root.gid)]
    argv += ["-root-time", str(root.mtime_ns // NANOSECONDS)]
    for line in _root_attributes(root):
        argv += ["-p", line]
    made = out.with_name(f".{out.name}.made")
    made.mkdir()
    try:
        # It makes the file itself, and appends to one that is there.
        with streamed(archive) as stream:
            tools.run([*argv, str(made / "image")], write=[made], stdin=stream)
        (made / "image").replace(out)
    finally:
        (made / "image").unlink(missing_ok=True)
        made.rmdir()
    length = out.stat().st_size
    if size and length > size:
        out.unlink()
        raise too_small("squashfs", out, size, length)
    if size:
        with out.open("rb+") as opened:
            opened.truncate(size)


def _root_attributes(root: Entry) -> list[str]:
    """The attributes of the root directory, which are not taken from the stream."""
    return [
        f"/ x {name.decode()}=0s{base64.b64encode(value).decode()}" for name, value in root.xattrs
    ]


def read(image: Image, tools: Tools, scratch: Path, *, digests: bool = True) -> Archive:
    """The archive of an image."""
    with reading("squashfs", image):
        return reader.read(image, digests=digests)
