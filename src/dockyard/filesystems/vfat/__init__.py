"""FAT with long names, for the ESP: written by mkfs.vfat and mtools, read by our own reader.

FAT knows no owners, modes and SELinux labels; a mount gives the same ones to all files. So those of
the archive are not kept, and files that are not root's are refused. Times are kept in steps of two
seconds from 1980 to 2107. The volume id is the first four bytes of the UUID. Options:
`fat_bits`, 12, 16 or 32, without it 32 where the size allows it; `cluster_sectors` and
`sector_size`, bytes, as mkfs.vfat -s and -S take them.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
from itertools import groupby
from operator import itemgetter
from pathlib import Path

from dockyard.archive import Archive, Entry, Kind
from dockyard.archive.entry import NANOSECONDS, XATTR_SELINUX, order
from dockyard.errors import Problem
from dockyard.filesystems.image import Image, create_sparse, reading
from dockyard.filesystems.limits import Limit, check_label, path_at, refusals, xattr_limit
from dockyard.filesystems.spec import FilesystemSpec, too_small, whole_mebibytes
from dockyard.filesystems.vfat import reader
from dockyard.filesystems.vfat.volume import Volume
from dockyard.host.process import ProcessFailed
from dockyard.host.sandbox import Tools

__all__ = ["flags", "made_as", "minimum_size", "needs", "read", "refuse", "volume_id", "write"]

needs = "main"
flags: str = ""

_FIRST, _LAST = 315_532_800, 4_354_819_198
# 65525 clusters of one sector, their table twice, and what is before.
_SMALLEST_32 = 33 << 20
_FORBIDDEN = re.compile(r'[\x00-\x1f"*:<>?\\|]|[. ]$')
_FIX = "keep it on another file system"


def _bad_name(entry: Entry) -> bool:
    try:
        name = entry.name.decode("utf-8")
    except UnicodeDecodeError:
        return True
    return bool(_FORBIDDEN.search(name)) or len(name.encode("utf-16-le")) > 510


RULES = (
    Limit(
        "kind",
        "anything but files and directories",
        lambda e: e.kind not in (Kind.FILE, Kind.DIRECTORY),
        _FIX,
    ),
    Limit("name", "such names", _bad_name, "rename it"),
    Limit("large-file", "files of 4 GiB and more", lambda e: e.size >= 1 << 32, _FIX),
    Limit("owner", "files that are not root's", lambda e: e.uid or e.gid, _FIX),
    Limit("special-mode", "setuid, setgid and sticky bits", lambda e: e.mode & 0o7000, _FIX),
    xattr_limit(
        "xattr",
        "extended attributes",
        lambda name, _: name != XATTR_SELINUX,
        _FIX,
    ),
)


def refuse(archive: Archive, at: bytes = b"") -> list[Problem]:
    """What FAT cannot hold, and names that it cannot tell apart."""
    problems = refusals(archive, "FAT", RULES, at)
    seen: dict[str, bytes] = {}
    for entry in archive:
        folded = entry.path.decode(errors="replace").casefold()
        other = seen.setdefault(folded, entry.path)
        if other != entry.path:
            problems.append(
                Problem(
                    code="filesystems.same-name",
                    what="FAT cannot tell two names apart that differ in case only",
                    where=path_at(at, entry.path),
                    why=f"{path_at(at, other)} is there too",
                    fix="rename one of them",
                )
            )
    return problems


def minimum_size(archive: Archive) -> int:
    """Bytes that an image surely fits in; at least what FAT32 needs."""
    size = 0
    directories: dict[bytes, int] = {}
    for entry in archive:
        size += -(-entry.size // 4096) * 4096
        if entry.path:
            slots = 1 + -(-len(entry.name) // 13)
            directories[entry.parent] = directories.get(entry.parent, 64) + 32 * slots
        if entry.kind is Kind.DIRECTORY:
            size += 4096
    size += sum(-(-used // 4096) * 4096 for used in directories.values())
    return max(_SMALLEST_32, whole_mebibytes(size * 51 // 50 + (1 << 20)))


def volume_id(spec: FilesystemSpec) -> str:
    """The id as mount and fstab(5) write it, `1234-ABCD`."""
    text = spec.uuid.hex[:8].upper()
    return f"{text[:4]}-{text[4:]}"


def write(archive: Archive, out: Path, size: int, spec: FilesystemSpec, tools: Tools) -> None:
    """Write an image of `size` bytes. Raises DockyardError when it does not fit."""
    check_label("FAT", spec.label, 11)
    bits = spec.options.get("fat_bits", "32" if size >= _SMALLEST_32 else "")
    argv = ["mkfs.vfat", "--invariant", "-i", spec.uuid.hex[:8]]
    argv += ["-n", spec.label.upper()] if spec.label else []
    argv += ["-F", bits] if bits else []
    for name, option in (("cluster_sectors", "-s"), ("sector_size", "-S")):
        argv += [option, spec.options[name]] if name in spec.options else []
    create_sparse(out, size)
    work = out.with_name(out.name + ".files")
    shutil.rmtree(work, ignore_errors=True)
    (work / "files").mkdir(parents=True)
    # The names are UTF-8 to mtools in this locale only.
    env = {"SOURCE_DATE_EPOCH": str(spec.epoch), "LC_ALL": "C.UTF-8", "MTOOLS_SKIP_CHECK": "1"}
    try:
        commands = [shlex.join([*argv, str(out)]), *_commands(archive, work / "files", out)]
        (work / "commands").write_text("\n".join(["set -e", *commands, ""]))
        tools.run(
            ["sh", str(work / "commands")], read=[work], write=[out], cwd=work / "files", env=env
        )
    except ProcessFailed as error:
        if b"Disk full" in error.completed.stderr:
            raise too_small("FAT", out, size, minimum_size(archive)) from error
        raise
    finally:
        shutil.rmtree(work)


def _commands(archive: Archive, files: Path, out: Path) -> list[str]:
    """The commands of mtools, one for directories that have a time together and one for each
    directory's files, in canonical order; mcopy takes a file's name and time from a copy in
    `files`, mmd a directory's time from its environment.
    """
    directories: list[tuple[int, str]] = []
    copied: dict[bytes, list[str]] = {}
    for index, entry in enumerate(archive.entries):
        path = entry.path.decode()
        if entry.kind is Kind.DIRECTORY:
            directories += [(_moment(entry), f"::/{path}")] if path else []
            (files / path).mkdir(exist_ok=True)
            continue
        with archive.open_at(index) as data, open(files / path, "wb") as copy:
            shutil.copyfileobj(data, copy, 1 << 20)
        moment = _moment(entry)
        os.utime(files / path, (moment, moment))
        copied.setdefault(entry.parent, []).append(f"./{path}")
    commands = [
        f"SOURCE_DATE_EPOCH={moment} "
        + shlex.join(["mmd", "-i", str(out), *(path for _, path in together)])
        for moment, together in groupby(directories, key=itemgetter(0))
    ]
    for parent in sorted(copied, key=order):
        target = f"::/{parent.decode()}"
        commands.append(shlex.join(["mcopy", "-m", "-i", str(out), *copied[parent], target]))
    return commands


def _moment(entry: Entry) -> int:
    """The time that FAT can hold, in seconds."""
    return min(max(entry.mtime_ns // NANOSECONDS, _FIRST), _LAST) & ~1


def made_as(image: Image) -> dict[str, str]:
    """The options that a FAT in the place of another is written with. Raises DockyardError."""
    with reading("FAT", image):
        volume = Volume(image)
        try:
            return {
                "fat_bits": str(volume.bits),
                "cluster_sectors": str(volume.cluster_size // volume.sector_size),
                "sector_size": str(volume.sector_size),
            }
        finally:
            volume.close()


def read(
    image: Image, tools: Tools | None = None, scratch: Path | None = None, *, digests: bool = True
) -> Archive:
    """The archive of an image. Its data stay in the image; neither tools nor scratch are used."""
    with reading("FAT", image):
        return reader.read(image, digests=digests)
