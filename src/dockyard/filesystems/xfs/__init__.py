"""XFS: written by mkfs.xfs 7 from a staged tree, read by our own reader.

mkfs.xfs drops an attribute without a value without a word, which is refused. It stores an ACL under
a wrong name, and a tree that is staged without root has no devices and no `trusted.*`: other things
stand for these, see `stand_ins`.

Options: `inode_size` and `directory_block`, bytes, as mkfs.xfs -i and -n take them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from dockyard.archive import Archive, Entry, Kind
from dockyard.archive.entry import NANOSECONDS
from dockyard.archive.named_ids import ACLS
from dockyard.errors import Problem
from dockyard.filesystems.image import Image, create_sparse, path_of, reading
from dockyard.filesystems.kernels import XFS, switches
from dockyard.filesystems.limits import LONG_NAME, Limit, check_label, refusals, xattr_limit
from dockyard.filesystems.spec import FilesystemSpec, too_small, whole_mebibytes
from dockyard.filesystems.staging import has_foreign_owner, names_far_ids, staged
from dockyard.filesystems.xfs import reader
from dockyard.filesystems.xfs.mend import mend
from dockyard.filesystems.xfs.stand_ins import cannot_stand_in, names_collide, stageable
from dockyard.filesystems.xfs.superblock import SIZE, parse
from dockyard.filesystems.xfs.volume import FLAG_BITS
from dockyard.host.process import ProcessFailed
from dockyard.host.sandbox import Tools

__all__ = ["flags", "made_as", "minimum_size", "needs", "not_kept", "read", "refuse", "write"]

needs = "testing"

flags: str = "".join(FLAG_BITS)
_SMALLEST = 300 << 20
_BLOCK = 4096
_INODE = 512
_SECTOR = 512
_LOG = 64 << 20
_SIZES = {"sector_size": str(_SECTOR), "block_size": str(_BLOCK)}
# Those of others that are kept: in 1024 bytes mkfs.xfs leaves off the end of long links.
_SMALL_BLOCKS = (2048,)
_FIX_XATTR = "remove the attributes in a script of the image, or choose ext4 or erofs"
RULES = (
    xattr_limit(
        "foreign-id",
        "capabilities that name ids above 65535, when it is written without root",
        lambda name, value: name not in ACLS and names_far_ids(name, value),
    ),
    Limit(
        "xattr-place",
        "ACLs and attributes trusted.* of what is neither file nor directory",
        cannot_stand_in,
        _FIX_XATTR,
    ),
    Limit(
        "xattr-names",
        "attributes user.* and trusted.* of the same name",
        names_collide,
        _FIX_XATTR,
    ),
    xattr_limit(
        "empty-xattr",
        "extended attributes without a value, which its writer loses",
        lambda _, value: not value,
        _FIX_XATTR,
    ),
    xattr_limit(
        "xattr-size",
        "an extended attribute of more than 65536 bytes",
        lambda _, value: len(value) > 65536,
        _FIX_XATTR,
    ),
    LONG_NAME,
    Limit("long-target", "symbolic links of more than 1023 bytes", lambda e: len(e.target) > 1023),
    Limit(  # of archives that were not clamped: those of trees and packages begin in 1970
        "time",
        "times before 1901-12-14 or after 2486-07-02",
        lambda e: not -(1 << 31) <= e.mtime_ns // NANOSECONDS < 16_299_260_425,
    ),
)


def refuse(archive: Archive, at: bytes = b"") -> list[Problem]:
    """What XFS cannot hold, or mkfs.xfs would lose."""
    return refusals(archive, "xfs", RULES, at)


def minimum_size(archive: Archive) -> int:
    """Bytes that an image surely fits in: data, directories, attributes, inodes and the log, and
    a twelfth for what each allocation group keeps for itself.
    """
    size = 0
    directories: dict[bytes, int] = {}
    for entry in archive:
        if entry.path:
            directories[entry.parent] = directories.get(entry.parent, 0) + len(entry.name) + 28
        if entry.kind is Kind.HARDLINK:
            continue
        size += 512 + -(-entry.size // _BLOCK) * _BLOCK
        size += _BLOCK if len(entry.target) > 300 else 0
        attributes = sum(len(name) + len(value) + 16 for name, value in entry.xattrs)
        size += -(-attributes // _BLOCK) * _BLOCK if attributes > 200 else 0
    size += sum(-(-used * 3 // 2 // _BLOCK) * _BLOCK for used in directories.values())
    return max(_SMALLEST, whole_mebibytes(size * 13 // 12 + _LOG + (8 << 20)))


def write(archive: Archive, out: Path, size: int, spec: FilesystemSpec, tools: Tools) -> None:
    """Write an image of `size` bytes. Raises DockyardError when it does not fit."""
    check_label("xfs", spec.label, 12)
    if size < _SMALLEST:
        raise too_small("xfs", out, size, minimum_size(archive))
    create_sparse(out, size)
    # Nothing may be taken from the host's processors or its disk.
    sector, block = (spec.options.get(name, usual) for name, usual in _SIZES.items())
    argv = ["mkfs.xfs", "-q", "-K", "-s", f"size={sector}", "-b", f"size={block}"]
    argv += ["-d", "agcount=4", "-m", f"uuid={spec.uuid}"]
    sizes = {"-i": "inode_size", "-n": "directory_block"}
    for group in ("-m", "-i", "-n"):
        argv += [group, switches(XFS, spec.kernel, group, grub=spec.grub)]
        size_of = spec.options.get(sizes.get(group, ""))
        argv += [group, f"size={size_of}"] if size_of else []
    argv += ["-L", spec.label] if spec.label else []
    env = {"SOURCE_DATE_EPOCH": str(spec.epoch), "DETERMINISTIC_SEED": "1"}
    try:
        with staged(stageable(_ownable(archive)), out, _without_holes(archive, spec)) as tree:
            tools.run([*argv, "-p", str(tree), str(out)], read=[tree], write=[out], env=env)
    except ProcessFailed as error:
        if b"No space left" in error.completed.stderr or b"ENOSPC" in error.completed.stderr:
            raise too_small("xfs", out, size, minimum_size(archive)) from error
        raise
    mend(archive, out)


def _without_holes(archive: Archive, spec: FilesystemSpec) -> Callable[[Entry], bool]:
    """The files of /boot, which may be this file system itself, where GRUB is to read it: up to
    2.06 it does not start a kernel with holes.
    """
    within = b"boot/" if archive.find(b"boot") is not None else b""
    return lambda entry: spec.grub and entry.path.startswith(within)


def _ownable(archive: Archive) -> Archive:
    """The archive with root as the owner of what belongs to ids that the namespace lacks."""
    if not any(has_foreign_owner(entry) for entry in archive):
        return archive
    return archive.changed(
        lambda entry: replace(entry, uid=0, gid=0) if has_foreign_owner(entry) else entry
    )


def made_as(image: Image) -> dict[str, str]:
    """The options that an XFS in the place of another is written with. Raises DockyardError."""
    with reading("xfs", image):
        raw = _superblock(image)
        found, sector = parse(raw), _sector_size(raw)
        block = found.block_size if found.block_size in _SMALL_BLOCKS else _BLOCK
        # Those of version 4 are smaller than what a version 5 can have.
        inode, directory = max(found.inode_size, _INODE), max(found.directory_block, block)
        options = {"inode_size": str(inode), "directory_block": str(directory)}
        if block != _BLOCK:
            options["block_size"] = str(block)
        if _SECTOR < sector <= block:
            options["sector_size"] = str(sector)
        return options


def not_kept(image: Image) -> tuple[str, ...]:
    """What one in the place of another has otherwise, in words. Raises DockyardError."""
    with reading("xfs", image):
        raw = _superblock(image)
        found, sector = parse(raw), _sector_size(raw)
    words = [] if found.is_v5 else ["version 5 in place of 4"]
    block = found.block_size if found.block_size in _SMALL_BLOCKS else _BLOCK
    if found.block_size != block:
        words.append(f"blocks of {_BLOCK} bytes in place of {found.block_size}")
    if sector > block:
        words.append(f"sectors of {_SECTOR} bytes in place of {sector}")
    return tuple(words)


def _sector_size(superblock: bytes) -> int:
    return int.from_bytes(superblock[102:104], "big")


def _superblock(image: Image) -> bytes:
    with open(path_of(image), "rb") as opened:
        opened.seek(0 if isinstance(image, Path) else image.start)
        return opened.read(SIZE)


def read(
    image: Image, tools: Tools | None = None, scratch: Path | None = None, *, digests: bool = True
) -> Archive:
    """The archive of an image. Its data stay in the image; neither tools nor scratch are used."""
    with reading("xfs", image):
        return reader.read(image, digests=digests)
