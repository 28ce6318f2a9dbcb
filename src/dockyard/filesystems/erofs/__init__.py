"""EROFS: written by mkfs.erofs from the canonical stream, read by our own reader and fsck.erofs.

It holds everything that an archive can have. Options: `compression`, as mkfs.erofs -z names it
(`lz4`, `lz4hc`, `zstd`, with a level as in `zstd,level=9`), or `none`, which is the default.
"""

from __future__ import annotations

from pathlib import Path

from dockyard.archive import Archive, Kind, streamed
from dockyard.archive.entry import NANOSECONDS
from dockyard.errors import DockyardError, Problem
from dockyard.filesystems.erofs import reader
from dockyard.filesystems.erofs.volume import Volume
from dockyard.filesystems.image import Image, reading
from dockyard.filesystems.kernels import EROFS, version
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
from dockyard.host.sandbox import Tools

__all__ = ["flags", "made_as", "minimum_size", "needs", "not_kept", "read", "refuse", "write"]

needs = "main"
flags: str = ""

_BLOCK = 4096
# The most bytes that are compressed together: docs/decisions has what it costs and gives.
_CLUSTER = 65536
_LEVELS = {
    "lz4": "lz4hc,level=9",
    "lzma": "lzma,level=6",
    "deflate": "deflate,level=6",
    "zstd": "zstd,level=9",
}
_NAMESPACES = (b"user.", b"trusted.", b"security.", b"system.posix_acl_")
RULES = (
    LONG_NAME,
    LONG_TARGET,
    Limit(  # of archives that were not clamped: those of trees and packages begin in 1970
        "time",
        "times before 1970 with a fraction of a second",
        lambda e: e.mtime_ns < 0 and e.mtime_ns % NANOSECONDS,
    ),
    DEVICE_NUMBER,
    xattr_limit(
        "xattr-name",
        "extended attributes with names of other namespaces, of more than 255 bytes, or with `=`",
        lambda name, _: not name.startswith(_NAMESPACES) or len(name) > 255 or b"=" in name,
        FIX_XATTR,
        f"it knows {', '.join(name.decode() for name in _NAMESPACES)}; "
        "in the stream that mkfs.erofs reads a name ends at the first `=`",
    ),
    xattr_limit(
        "xattr-size",
        "an extended attribute of more than 65535 bytes",
        lambda _, value: len(value) > 65535,
        FIX_XATTR,
    ),
)


def refuse(archive: Archive, at: bytes = b"") -> list[Problem]:
    """What EROFS cannot hold."""
    return refusals(archive, "erofs", RULES, at)


def minimum_size(archive: Archive) -> int:
    """Bytes that an image surely fits in without compression."""
    size = 2 * _BLOCK
    for entry in archive:
        size += len(entry.name) + 13
        if entry.kind is Kind.HARDLINK:
            continue
        # An inode may leave the rest of a block unused to keep its tail in one.
        size += 64 + 16 + sum(len(name) + len(value) + 8 for name, value in entry.xattrs)
        data = entry.size + len(entry.target)
        size += -(-data // _BLOCK) * _BLOCK + (_BLOCK if entry.kind is Kind.DIRECTORY else 0)
    return whole_mebibytes(size * 51 // 50)


def write(archive: Archive, out: Path, size: int, spec: FilesystemSpec, tools: Tools) -> None:
    """Write an image; mkfs.erofs makes it as large as it needs, and it is padded to `size` bytes
    when that is more. A size of 0 leaves it as it is. Raises DockyardError when it is larger.
    """
    check_label("erofs", spec.label, 15)
    argv = ["mkfs.erofs", "--quiet", f"-b{_BLOCK}", "-T", str(spec.epoch), "--mkfs-time"]
    argv += ["-U", str(spec.uuid)]
    argv += ["-L", spec.label] if spec.label else []
    compression = spec.options.get("compression", "none")
    if compression != "none":
        _require_kernel(compression.partition(",")[0], spec.kernel)
        argv += [f"-z{compression}", f"-C{_CLUSTER}"]
    out.unlink(missing_ok=True)
    out.touch()
    with streamed(archive) as stream:
        tools.run([*argv, "--tar=f", str(out)], write=[out], stdin=stream)
    made = out.stat().st_size
    if size and made > size:
        out.unlink()
        raise too_small("erofs", out, size, made)
    if size:
        with open(out, "rb+") as opened:
            opened.truncate(size)


def _require_kernel(algorithm: str, release: str | None) -> None:
    since = {feature.name: feature.since for feature in EROFS}.get(algorithm)
    if release is None or since is None or since <= version(release):
        return
    raise DockyardError(
        Problem(
            code="filesystems.erofs-compression",
            what=f"the image's kernel {release} cannot read erofs compressed by {algorithm}",
            why=f"Linux {since[0]}.{since[1]} is the first that can",
            fix="set `erofs: {compression: lz4hc}` on the file system, or install a newer kernel",
        )
    )


def made_as(image: Image) -> dict[str, str]:
    """The options that an EROFS in the place of another is written with: whoever made that left no
    word of the level, so it is a good one. Raises DockyardError.
    """
    with reading("erofs", image):
        return {"compression": _LEVELS.get(reader.compression(image), "none")}


def not_kept(image: Image) -> tuple[str, ...]:
    """What one in the place of another has otherwise, in words. Raises DockyardError."""
    with reading("erofs", image):
        volume = Volume(image)
        try:
            size = volume.block_size
        finally:
            volume.close()
    return (f"blocks of {_BLOCK} bytes in place of {size}",) if size != _BLOCK else ()


def read(image: Image, tools: Tools, scratch: Path, *, digests: bool = True) -> Archive:
    """The archive of an image. Compressed data are unpacked into a directory of scratch."""
    with reading("erofs", image):
        return reader.read(image, tools, scratch, digests=digests)
