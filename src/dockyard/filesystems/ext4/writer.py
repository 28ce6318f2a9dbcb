"""Writes ext4: mke2fs fed with the canonical stream, then debugfs for what mke2fs drops.

mke2fs takes from a stream only `security.capability` of all extended attributes, and cuts times to
whole seconds before 2038, both without a word; debugfs sets them by inode number afterwards, ACLs
in the kernel's form among them. Blocks are always of 4 KiB, so that larger attributes fit.

Options, which an ext4, ext3 or ext2 had that this one takes the place of: `features` (as mke2fs -O;
what boots from it and mounts it knows those), `reserved_percent` (-m), `inodes` (-N; more where the
files need them), `inode_size` (-I), `errors` (-e).
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from dockyard.archive import Archive, Entry, Kind, streamed
from dockyard.archive.entry import NANOSECONDS, XATTR_CAPABILITY, XATTR_SELINUX
from dockyard.archive.flags import XATTR_FLAGS, flags_of, word_of
from dockyard.errors import DockyardError, Problem
from dockyard.filesystems.ext4.features import FLAG_BITS
from dockyard.filesystems.ext4.journal import volume_of
from dockyard.filesystems.ext4.reader import LOST_AND_FOUND, inode_numbers
from dockyard.filesystems.ext4.volume import LOST_AND_FOUND_INODE
from dockyard.filesystems.kernels import EXT4, stable
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
from dockyard.host.process import ProcessFailed
from dockyard.host.sandbox import Tools

BLOCK = 4096
# Those of others that are kept; larger ones than a page few kernels mount.
SMALL_BLOCKS = (1024, 2048)
_INODE_SIZE = 256
_BYTES_PER_INODE = 16384
_GROUP = 8 * BLOCK * BLOCK
_SPARE_INODES = 64
_NAMESPACES = (b"user.", b"trusted.", b"security.", b"system.posix_acl_")
_LAST_OF_32_BITS = (1 << 31) - 1
_VERSION = re.compile(r"debugfs \d\S* \(.*\)")

flags: str = "".join(FLAG_BITS)


def _attributes_limit(block: int) -> Limit:
    """Attributes that do not fit into a block, where those are that the inode has no room for."""
    most = block - 32 - 4
    return Limit(
        "xattr-size",
        f"more than about {most // 100 * 100} bytes of extended attributes of one file",
        lambda entry: _attributes_size(entry) > most,
        FIX_XATTR,
    )


RULES = (
    LONG_NAME,
    LONG_TARGET,
    Limit(  # of archives that were not clamped: those of trees and packages begin in 1970
        "time",
        "times before 1901-12-14 or after 2446-05-10",
        lambda e: not -(1 << 31) <= e.mtime_ns // NANOSECONDS < (1 << 34) - (1 << 31),
    ),
    DEVICE_NUMBER,
    xattr_limit(
        "xattr-name",
        "extended attributes with names of other namespaces, or of more than 255 bytes",
        lambda name, _: not name.startswith(_NAMESPACES) or len(name) > 255,
        FIX_XATTR,
        f"it knows {', '.join(name.decode() for name in _NAMESPACES)}",
    ),
    xattr_limit(
        "xattr-line",
        "extended attributes with a line break in their names, as it is written here",
        lambda name, _: b"\n" in name or b"\r" in name,
        FIX_XATTR,
        "debugfs, which sets them, takes one command from each line",
    ),
    _attributes_limit(BLOCK),
    Limit("large-file", "files of more than 16 TiB", lambda e: e.size > (1 << 44) - BLOCK),
)


def refuse(archive: Archive, at: bytes = b"") -> list[Problem]:
    """What ext4 cannot hold."""
    return refusals(archive, "ext4", RULES, at)


def _attributes_size(entry: Entry) -> int:
    return sum(_attribute_size(*pair) for pair in entry.xattrs if pair[0] != XATTR_FLAGS)


def _attribute_size(name: bytes, value: bytes) -> int:
    return 16 + (len(name) + 3 & ~3) + (len(value) + 3 & ~3)


def minimum_size(archive: Archive) -> int:
    """Bytes that an image of the archive surely fits in: data, directories, attributes, inodes,
    journal and group descriptors, each at the worst, and a fiftieth more.
    """
    blocks = 0
    directories: dict[bytes, int] = {}
    for entry in archive:
        if entry.path:
            directories[entry.parent] = directories.get(entry.parent, 0) + len(entry.name) + 12
        if entry.kind is Kind.FILE:
            # One block of extents for each 340 MiB and more than four.
            data = -(-entry.size // BLOCK)
            blocks += data + (data // 80_000 + 1 if data > 4 * 32768 else 0)
        elif entry.kind is Kind.SYMLINK and len(entry.target) >= 60:
            blocks += 1
        blocks += 1 if entry.xattrs and entry.kind is not Kind.HARDLINK else 0
    # Names of a directory fill three quarters of its blocks at the worst, and some hash blocks.
    blocks += sum(-(-size * 4 // 3 // BLOCK) + 1 + size // 100_000 for size in directories.values())
    blocks += sum(entry.kind is Kind.DIRECTORY for entry in archive)
    size = blocks * BLOCK
    size += max(_inodes(archive), size // _BYTES_PER_INODE) * _INODE_SIZE
    for _ in range(2):
        # Both grow with the whole.
        total = size + _journal(size) + _descriptors(size)
        total = total * 51 // 50 + (4 << 20)
        total += total // _BYTES_PER_INODE * _INODE_SIZE - size // _BYTES_PER_INODE * _INODE_SIZE
    return whole_mebibytes(total)


def _journal(size: int) -> int:
    """What mke2fs takes for a journal (ext2fs_default_journal_size), a step further on."""
    for limit, journal in (
        (120, 4),
        (950, 16),
        (1900, 32),
        (15000, 64),
        (30000, 128),
        (60000, 256),
    ):
        if size < limit << 20:
            return journal << 20
    return (512 if size < 120 << 30 else 1024) << 20


def most_for_files(size: int, options: Mapping[str, str] | None = None) -> int:
    """Bytes that files can take at the very most in an image of `size` bytes that is written here:
    without inodes and what mke2fs takes for a journal. Some more goes to what finds them.
    """
    options = options or {}
    journal = "features" not in options or "has_journal" in options["features"].split(",")
    inodes = int(options.get("inodes", size // _BYTES_PER_INODE))
    taken = 0
    if journal:
        steps = ((7, 0), (127, 4), (1023, 16), (2047, 32), (16383, 64), (32767, 128), (65535, 256))
        # The steps are numbers of blocks.
        share = BLOCK // _block_size(options)
        bounds = ((mebi << 20) // share for limit, mebi in steps if size * share <= limit << 20)
        taken = next(bounds, (512 << 20) // share)
    return size - inodes * int(options.get("inode_size", _INODE_SIZE)) - taken


def _block_size(options: Mapping[str, str]) -> int:
    return int(options.get("block_size", BLOCK))


def _descriptors(size: int) -> int:
    """Bitmaps of each group, and descriptors with room to grow in some groups."""
    groups = size // _GROUP + 1
    reserved = min(1024, groups * 64 * 1024 // BLOCK + 1) + groups * 64 // BLOCK + 2
    copies = min(groups, 3 + 3 * len(bin(groups)))
    return (groups * 2 + reserved * copies) * BLOCK


def _inodes(archive: Archive) -> int:
    return sum(entry.kind is not Kind.HARDLINK for entry in archive) + _SPARE_INODES


def write(archive: Archive, out: Path, size: int, spec: FilesystemSpec, tools: Tools) -> None:
    """Write an image of `size` bytes. Raises DockyardError when it does not fit."""
    check_label("ext4", spec.label, 16)
    block = _block_size(spec.options)
    if refused := refusals(archive, "ext4", [_attributes_limit(block)] if block < BLOCK else []):
        raise DockyardError(*refused)
    out.unlink(missing_ok=True)
    out.touch()
    epoch = {"SOURCE_DATE_EPOCH": str(spec.epoch)}
    try:
        with streamed(archive) as stream:
            tools.run(_mke2fs(archive, out, size, spec), write=[out], stdin=stream, env=epoch)
    except ProcessFailed as error:
        if _did_not_fit(error):
            raise too_small("ext4", out, size, minimum_size(archive)) from error
        raise
    _mend(archive, out, epoch, tools)


def _mke2fs(archive: Archive, out: Path, size: int, spec: FilesystemSpec) -> list[str]:
    seed = spec.hash_seed or spec.derived("hash seed")
    # A new file is all zeros: the inode tables need no zeroing, now or at the first boot.
    extended = f"hash_seed={seed},assume_storage_prezeroed=1"
    options = spec.options
    argv = ["mke2fs", "-q", "-F", "-t", "ext4", "-b", str(_block_size(options))]
    argv += ["-I", options.get("inode_size", str(_INODE_SIZE))]
    inodes = int(options.get("inodes", size // _BYTES_PER_INODE))
    argv += ["-N", str(max(inodes, _inodes(archive) * 21 // 20))]
    argv += ["-U", str(spec.uuid), "-E", extended]
    argv += ["-L", spec.label] if spec.label else []
    known = stable(EXT4, spec.kernel, grub=spec.grub)
    features = options.get("features") or ",".join(name for name, on in known.items() if on)
    argv += ["-O", f"none,{features}"]
    for name, option in (("reserved_percent", "-m"), ("errors", "-e")):
        argv += [option, options[name]] if name in options else []
    return [*argv, "-d", "-", str(out), f"{size // 1024}k"]


def _did_not_fit(error: ProcessFailed) -> bool:
    return any(
        reason in error.completed.stderr
        for reason in (
            b"Could not allocate block",
            b"Could not allocate inode",
            b"No space left",
            b"too small",
            b"Not enough space",
            b"inode table is full",
        )
    )


def _mend(archive: Archive, out: Path, epoch: dict[str, str], tools: Tools) -> None:
    """Set with debugfs what mke2fs did not take from the stream."""
    wanting = [entry for entry in archive if _needs_mending(entry)]
    if not wanting:
        return
    if label := label_of_lost(archive):
        wanting.append(Entry(LOST_AND_FOUND, Kind.DIRECTORY, xattrs=((XATTR_SELINUX, label),)))
    volume = volume_of(out)
    try:
        numbers = {LOST_AND_FOUND: LOST_AND_FOUND_INODE, **inode_numbers(volume)}
        words = {
            entry.path: volume.inode(numbers[entry.path]).flags | word_of(entry, FLAG_BITS)
            for entry in wanting
            if flags_of(entry)
        }
    finally:
        volume.close()
    work = out.with_name(out.name + ".attributes")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    try:
        files: dict[bytes, str] = {}
        lines: list[bytes] = []
        for entry in wanting:
            number = numbers[entry.path]
            lines += _time_commands(entry, number)
            for name, value in entry.xattrs:
                if name == XATTR_CAPABILITY:
                    continue
                if name == XATTR_FLAGS:
                    lines.append(b"sif <%d> flags %#x" % (number, words[entry.path]))
                    continue
                file = files.setdefault(value, f"v{len(files)}")
                lines.append(b"ea_set -f %b <%d> %b" % (file.encode(), number, _quoted(name)))
        for value, file in files.items():
            (work / file).write_bytes(value)
        (work / "commands").write_bytes(b"\n".join(lines) + b"\n")
        argv = ["debugfs", "-w", "-f", "commands", str(out)]
        done = tools.run(argv, read=[work], write=[out], cwd=work, env=epoch)
    finally:
        shutil.rmtree(work)
    # debugfs ends with status 0 whatever happened; only its version is no complaint.
    complaints = [
        line for line in done.stderr.decode(errors="replace").splitlines()
        if line.strip() and not _VERSION.fullmatch(line.strip())
    ]  # fmt: skip
    if complaints:
        raise DockyardError(
            Problem(
                code="filesystems.attributes-not-set",
                what="debugfs could not set the attributes of some files",
                where=out.name,
                excerpt=tuple(complaints[:20]),
            )
        )


def label_of_lost(archive: Archive) -> bytes | None:
    """The SELinux label of the directory that mke2fs makes by itself: the root's, with the type
    that all policies have for it. None where the root has no label, or the archive has it.
    """
    root = archive.find(b"")
    label = root.xattr(XATTR_SELINUX) if root else None
    if label is None or archive.find(LOST_AND_FOUND) is not None:
        return None
    user, role, _, *level = label.split(b":")
    return b":".join((user, role, b"lost_found_t", *level))


def _quoted(word: bytes) -> bytes:
    """A word of a command as libss takes it: whatever is in it, but for a line break."""
    return b'"%b"' % word.replace(b'"', b'""')


def _needs_mending(entry: Entry) -> bool:
    if entry.kind is Kind.HARDLINK:
        return False
    return bool(
        entry.mtime_ns % NANOSECONDS
        or entry.mtime_ns // NANOSECONDS > _LAST_OF_32_BITS
        or any(name != XATTR_CAPABILITY for name, _ in entry.xattrs)
    )


def _time_commands(entry: Entry, number: int) -> list[bytes]:
    seconds, fraction = divmod(entry.mtime_ns, NANOSECONDS)
    commands = []
    # Seconds go on in two bits of the extra field, counted from the signed 32 bits (ext4_inode).
    low = (seconds + (1 << 31)) % (1 << 32) - (1 << 31)
    extra = fraction << 2 | (seconds - low) >> 32
    if seconds > _LAST_OF_32_BITS or (seconds < 0 and fraction):
        commands.append(b"sif <%d> mtime @%d" % (number, seconds))
    if extra:
        commands.append(b"sif <%d> mtime_extra %#x" % (number, extra))
    return commands
