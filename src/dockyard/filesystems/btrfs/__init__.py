"""Btrfs: written by mkfs.btrfs 7 from a staged tree and then mended, read by our own reader.

Options: `compression`, as mkfs.btrfs --compress takes it, such as `zstd:3`; `quotas`, `on` where
what subvolumes use is to be counted though none has a limit. What is written is the archive of the
outermost subvolume with all others in it, each a directory there.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from dockyard.archive import Archive, Entry, Kind
from dockyard.archive.entry import DEVICES, path_text
from dockyard.archive.flags import XATTR_FLAGS
from dockyard.errors import DockyardError, Problem
from dockyard.filesystems.btrfs import reader
from dockyard.filesystems.btrfs.attribute_names import borrowed
from dockyard.filesystems.btrfs.checksums import CRC32C
from dockyard.filesystems.btrfs.extents import LZO, ZLIB, ZSTD, most_used
from dockyard.filesystems.btrfs.mend import mend
from dockyard.filesystems.btrfs.subvolumes import Subvolume, has_quotas
from dockyard.filesystems.btrfs.subvolumes import has_groups as groups_above
from dockyard.filesystems.btrfs.subvolumes import subvolumes as listed
from dockyard.filesystems.btrfs.volume import FILES_TREE, Volume
from dockyard.filesystems.image import Image, create_sparse, reading
from dockyard.filesystems.kernels import BTRFS, stable
from dockyard.filesystems.limits import (
    DEVICE_NUMBER,
    FIX_XATTR,
    LONG_NAME,
    Limit,
    check_label,
    refusals,
    xattr_limit,
)
from dockyard.filesystems.spec import FilesystemSpec, SubvolumeSpec, too_small, whole_mebibytes
from dockyard.filesystems.staging import IDS_RULE, has_foreign_owner, staged
from dockyard.host.process import ProcessFailed
from dockyard.host.sandbox import Tools

__all__ = [
    "OUTERMOST",
    "Subvolume",
    "flags",
    "made_as",
    "minimum_size",
    "needs",
    "not_kept",
    "read",
    "refuse",
    "subvolumes",
    "write",
]

needs = "testing"
OUTERMOST = FILES_TREE
"""The number of the subvolume that holds all others."""

flags: str = "".join(reader.FLAG_BITS)
_BLOCK = 4096
_NODE = 16384
# Those of others that are kept: smaller ones hold less than the rules below say.
_LARGE_NODES = (32768, 65536)
_SMALLEST = 128 << 20
_SHOWN = 20
_SUMS = ("CRC-32C", "xxHash64", "SHA-256", "BLAKE2b")
# As files have them, at the level that mounts use unless they are told another.
_COMPRESSIONS = {ZLIB: "zlib:3", LZO: "lzo", ZSTD: "zstd:3"}
RULES = (
    Limit(
        "xattr-name",
        "attributes with short names of other namespaces, when it is written without root",
        lambda entry: _unnamable(entry),
        FIX_XATTR,
        named=lambda entry: _unnamable(entry),
    ),
    IDS_RULE,
    xattr_limit(
        "xattr-size",
        "an extended attribute of more than 16000 bytes",
        lambda name, value: len(name) + len(value) > 16000,
        FIX_XATTR,
    ),
    LONG_NAME,
    Limit(
        "long-target",
        "symbolic links of more than 4094 bytes",
        lambda entry: len(entry.target) >= _BLOCK - 1,
        why="its writer keeps them in the leaf of a tree, and leaves off there",
    ),
    DEVICE_NUMBER,
)


def _unnamable(entry: Entry) -> list[bytes]:
    others = (name for name, _ in entry.xattrs if name != XATTR_FLAGS)
    return [name for name in others if borrowed(entry, name) is None]


def refuse(archive: Archive, at: bytes = b"") -> list[Problem]:
    """What Btrfs cannot hold, or cannot be staged."""
    return refusals(archive, "btrfs", RULES, at)


def minimum_size(archive: Archive) -> int:
    """Bytes that an image surely fits in without compression: data once and metadata twice, in
    chunks of a tenth of the whole, of which the last one of each may be all but empty.
    """
    data = metadata = 0
    for entry in archive:
        metadata += 3 * (len(entry.name) + 60)
        if entry.kind is Kind.HARDLINK:
            continue
        metadata += 160 + 25 + sum(len(n) + len(v) + 60 for n, v in entry.xattrs)
        metadata += min(entry.size, _BLOCK) + len(entry.target) + 200
        blocks = -(-entry.size // _BLOCK)
        data += blocks * _BLOCK
        # Four bytes of checksum for each block, and an item for each 128 MiB or less.
        metadata += blocks * 4 + blocks // 256 * 120
    size = (data + 3 * metadata + (64 << 20)) * 10 // 7
    return max(_SMALLEST, whole_mebibytes(size))


def write(archive: Archive, out: Path, size: int, spec: FilesystemSpec, tools: Tools) -> None:
    """Write an image of `size` bytes. Raises DockyardError when it does not fit."""
    check_label("btrfs", spec.label, 255)
    create_sparse(out, size)
    # It makes the file larger, by its own estimate, whatever size is asked for; what it does not
    # use of this it gives back, and the size is set afterwards.
    node = spec.options.get("node_size", str(_NODE))
    argv = ["mkfs.btrfs", "--quiet", "--nodiscard", "--force", "--shrink", "--csum", "crc32c"]
    argv += ["--sectorsize", str(_BLOCK), "--nodesize", node, "--uuid", str(spec.uuid)]
    argv += ["--device-uuid", str(spec.derived("device")), "--data", "single", "--metadata", "dup"]
    stable_ones = stable(BTRFS, spec.kernel, grub=spec.grub)
    features = {**stable_ones, "quota": _has_quotas(spec)}
    argv += ["-O", ",".join(name if on else f"^{name}" for name, on in features.items())]
    argv += ["--label", spec.label] if spec.label else []
    for one in spec.subvolumes:
        argv += ["--subvol", f"{_subvolume_type(one)}:{one.path}"] if one.path else []
    if "compression" in spec.options:
        argv += ["--compress", spec.options["compression"]]
    env = {"SOURCE_DATE_EPOCH": str(spec.epoch)}
    try:
        with staged(archive.changed(_stageable), out) as tree:
            tools.run([*argv, "--rootdir", str(tree), str(out)], read=[tree], write=[out], env=env)
    except ProcessFailed as error:
        output = error.completed.stderr
        if any(reason in output for reason in (b"No space left", b"too small", b"ENOSPC")):
            raise too_small("btrfs", out, size, minimum_size(archive)) from error
        raise
    if out.stat().st_size > size:
        out.unlink()
        raise too_small("btrfs", out, size, minimum_size(archive))
    mend(archive, out, size, spec)


def _subvolume_type(chosen: SubvolumeSpec) -> str:
    """What mkfs.btrfs calls it."""
    if chosen.is_default:
        return "default-ro" if chosen.read_only else "default"
    return "ro" if chosen.read_only else "rw"


def _has_quotas(spec: FilesystemSpec) -> bool:
    limited = any((one.most, one.most_own) != (None, None) for one in spec.subvolumes)
    return limited or spec.options.get("quotas") == "on"


def _stageable(entry: Entry) -> Entry:
    """The entry as the namespace can hold it; what it loses is set in the image afterwards."""
    if entry.kind in DEVICES:
        entry = replace(entry, kind=Kind.FIFO, rdev=(0, 0))
    entry = replace(entry, uid=0, gid=0) if has_foreign_owner(entry) else entry
    xattrs = tuple(
        (name if name == XATTR_FLAGS else borrowed(entry, name) or name, value)
        for name, value in entry.xattrs
    )
    return entry if xattrs == entry.xattrs else replace(entry, xattrs=xattrs)


def subvolumes(image: Image) -> tuple[Subvolume, ...]:
    """The subvolumes of an image by their ids; the first is the outermost one, of id 5."""
    with reading("btrfs", image):
        volume = Volume(image)
        try:
            return listed(volume)
        finally:
            volume.close()


def made_as(image: Image) -> dict[str, str]:
    """The options that a btrfs in the place of another is written with. Raises DockyardError."""
    with reading("btrfs", image):
        volume = Volume(image)
        try:
            most = _COMPRESSIONS.get(most_used(volume))
            found = {"compression": most} if most else {}
            if volume.node_size in _LARGE_NODES:
                found["node_size"] = str(volume.node_size)
            return {**found, **({"quotas": "on"} if has_quotas(volume) else {})}
        finally:
            volume.close()


def not_kept(image: Image) -> tuple[str, ...]:
    """What one in the place of another has otherwise, in words. Raises DockyardError."""
    with reading("btrfs", image):
        volume = Volume(image)
        try:
            node, sector, sums = volume.node_size, volume.sector_size, volume.checksum_type
            has_groups = groups_above(volume)
        finally:
            volume.close()
    is_kept = node in (_NODE, *_LARGE_NODES)
    words = [] if is_kept else [f"nodes of {_NODE} bytes in place of {node}"]
    if sector != _BLOCK:
        words.append(f"sectors of {_BLOCK} bytes in place of {sector}")
    if sums != CRC32C:
        words.append(f"checksums by CRC-32C in place of {_SUMS[sums]}")
    if has_groups:
        words.append("no quota groups of several subvolumes, and none of their limits")
    return tuple(words)


def read(
    image: Image,
    tools: Tools | None = None,
    scratch: Path | None = None,
    *,
    subvolume: int | str | None = None,
    nested: bool = True,
    digests: bool = True,
) -> Archive:
    """The archive of an image: of its default subvolume, as a mount without options shows it, or
    of the one with an id, or with a path in the outermost one, "" or "/".

    nested: with the subvolumes within it; else these are empty directories. Data stay in the image;
    neither tools nor scratch are used. digests: see Filesystem.read. Raises DockyardError.
    """
    with reading("btrfs", image):
        volume = Volume(image)
        known = listed(volume)
        wanted = _chosen(volume, known, subvolume)
        return reader.read(volume, wanted, known, nested=nested, digests=digests)


def _chosen(volume: Volume, known: tuple[Subvolume, ...], wanted: int | str | None) -> Subvolume:
    path = os.fsencode(wanted.strip("/")) if isinstance(wanted, str) else None
    for one in known:
        if one.is_default if wanted is None else wanted == one.number or path == one.path:
            return one
    if wanted is None:
        raise volume.broken("its default subvolume is not there")
    raise DockyardError(
        Problem(
            code="filesystems.no-subvolume",
            what=f"there is no subvolume {wanted}",
            where=str(volume.image),
            fix="choose one of: " + ", ".join(path_text(one.path) for one in known[:_SHOWN]),
        )
    )
