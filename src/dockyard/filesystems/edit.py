"""Puts files into a file system that exists, where it is: what else is in it stays as it is.

FAT is edited by mtools, ext4 by debugfs, both without mounting. Times follow from the image, never
from the clock: a file that takes the place of another has the time of that, another one the newest
time in the file system. So equal images and files give equal bytes. What was put is read back by
our own readers.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path, PurePosixPath

from dockyard.archive import Archive, Entry, Kind
from dockyard.archive.entry import NANOSECONDS, XATTR_SELINUX
from dockyard.errors import DockyardError, Problem
from dockyard.filesystems import by_name
from dockyard.filesystems.pieces import PIECE, digest
from dockyard.host import files as host_files
from dockyard.host.process import ProcessFailed
from dockyard.host.sandbox import Tools

_NO_ROOM = re.compile(rb"Disk full|Could not allocate|No space left|No free space")
_LONGEST_LINE = 8000  # bytes: debugfs reads 8191 at once, and takes the rest for a command
EDITED = ("vfat", "ext4")
"""The modules of `filesystems` whose images can be edited."""


def put_files(
    module: str, image: Path, files: Mapping[str, Path], tools: Tools, scratch: Path
) -> None:
    """Put files into an image, in place of those that are there. module: one of EDITED. files:
    those of the host, by their absolute paths in the file system. Raises DockyardError where one
    does not fit, or its path leads through what is no directory.
    """
    before = by_name(module).read(image, tools, scratch, digests=False)
    spelled = {_folded(entry.path, module): entry for entry in before}
    wanted = {PurePosixPath(path).relative_to("/"): source for path, source in files.items()}
    paths = {_found(spelled, path, module): source for path, source in wanted.items()}
    paths = {path: source for path, source in paths.items() if not _is_there(before, path, source)}
    if not paths:
        return
    _require_room(before, paths, image, module)
    work = scratch / "edit"
    work.mkdir()
    newest = max((entry.mtime_ns for entry in before), default=0) // NANOSECONDS
    time = {"SOURCE_DATE_EPOCH": str(newest), "E2FSPROGS_FAKE_TIME": str(newest)}
    commands = _mtools if module == "vfat" else _debugfs
    try:
        lines = [*commands(before, paths, image, work, newest)]
        if module == "ext4":
            _require_lines(lines)
        script = "".join(f"{line}\n" for line in lines)
        (work / "commands").write_text(script)
        if module == "vfat":
            env = {**time, "LC_ALL": "C.UTF-8", "MTOOLS_SKIP_CHECK": "1", "TZ": "UTC"}
            argv = ["sh", "-e", "commands"]
        else:
            env, argv = time, ["debugfs", "-w", "-f", "commands", str(image)]
        said = tools.run(argv, read=[work], write=[image], cwd=work, env=env, reads=image).stderr
    except ProcessFailed as error:
        if _NO_ROOM.search(error.completed.stderr):
            raise _too_small(image, module) from error
        raise
    finally:
        shutil.rmtree(work)
    if _NO_ROOM.search(said):  # debugfs ends with status 0 whatever happened
        raise _too_small(image, module)
    _require_put(by_name(module).read(image, tools, scratch, digests=False), paths, image)


def _found(spelled: Mapping[str, Entry], path: PurePosixPath, module: str) -> PurePosixPath:
    """A path as the file system spells it, where all or the beginning of it is there. spelled: what
    is there. Raises DockyardError where a file is in the way of a directory, or the other way
    round.
    """
    at = PurePosixPath()
    for depth, part in enumerate(path.parts, 1):
        entry = spelled.get(_folded(os.fsencode(at / part), module))
        at = at / part if entry is None else PurePosixPath(os.fsdecode(entry.path))
        if entry is None:
            continue
        wanted = Kind.FILE if depth == len(path.parts) else Kind.DIRECTORY
        if entry.kind is not wanted and not (wanted is Kind.FILE and entry.kind is Kind.HARDLINK):
            raise DockyardError(
                Problem(
                    "inject.destination",
                    f"/{path} cannot be put there: /{at} is no {wanted.name.lower()}",
                    fix="choose another destination",
                )
            )
    return at


def _is_there(archive: Archive, path: PurePosixPath, source: Path) -> bool:
    """Whether a file is there as it is to be: so doing it twice is doing it once."""
    entry = archive.find(os.fsencode(path))
    if entry is None or entry.kind not in (Kind.FILE, Kind.HARDLINK):
        return False
    if entry.size != source.stat().st_size:
        return False
    with archive.open(entry.path) as data:
        found = digest(iter(partial(data.read, PIECE), b""))
    return found == host_files.digest(source)


def _folded(path: bytes, module: str) -> str:
    text = os.fsdecode(path)
    return text.casefold() if module == "vfat" else text


def _require_room(
    before: Archive, paths: Mapping[PurePosixPath, Path], image: Path, module: str
) -> None:
    """Raise DockyardError where new files are larger than all of the file system: programs say it
    in words of their own where there is no room for another reason.
    """
    size = sum(source.stat().st_size for source in paths.values())
    if size > image.stat().st_size:
        raise _too_small(image, module)


def _too_small(image: Path, module: str) -> DockyardError:
    return DockyardError(
        Problem(
            "inject.no-room",
            f"the files do not fit into the {module} file system of "
            f"{image.stat().st_size >> 20} MiB",
            fix="make the image with a larger partition",
        )
    )


def _directories(before: Archive, paths: Mapping[PurePosixPath, Path]) -> list[PurePosixPath]:
    """Those that must be made, the uppermost first."""
    wanted = {parent for path in paths for parent in path.parents if parent.parts}
    lacking = [each for each in wanted if before.find(os.fsencode(each)) is None]
    return sorted(lacking, key=lambda each: each.parts)


def _copied(
    before: Archive, paths: Mapping[PurePosixPath, Path], work: Path, newest: int
) -> Iterator[tuple[PurePosixPath, str, Entry | None, int]]:
    """Each file as (path, name of a copy in the work directory, the entry before, time)."""
    for number, (path, source) in enumerate(sorted(paths.items())):
        name = f"file-{number}"
        shutil.copyfile(source, work / name)
        entry = before.find(os.fsencode(path))
        if entry is not None and entry.kind is Kind.HARDLINK:
            entry = before.find(entry.target)
        moment = newest if entry is None else entry.mtime_ns // NANOSECONDS
        os.utime(work / name, (moment, moment))
        yield path, name, entry, moment


def _mtools(
    before: Archive, paths: Mapping[PurePosixPath, Path], image: Path, work: Path, newest: int
) -> Iterator[str]:
    for directory in _directories(before, paths):
        yield shlex.join(["mmd", "-i", str(image), f"::/{directory}"])
    for path, name, _, _ in _copied(before, paths, work, newest):
        yield shlex.join(["mcopy", "-o", "-m", "-i", str(image), name, f"::/{path}"])


def _debugfs(
    before: Archive, paths: Mapping[PurePosixPath, Path], image: Path, work: Path, newest: int
) -> Iterator[str]:
    for directory in _directories(before, paths):
        yield f"cd {_quoted('/', *directory.parent.parts)}"
        yield f"mkdir {_quoted(directory.name)}"
        yield from _labelled(before, directory, None, work)
    for path, name, entry, moment in _copied(before, paths, work, newest):
        yield f"cd {_quoted('/', *path.parent.parts)}"
        if entry is not None:
            yield f"rm {_quoted(path.name)}"
        yield f"write {name} {_quoted(path.name)}"
        mode = 0o644 if entry is None else entry.mode
        uid, gid = (0, 0) if entry is None else (entry.uid, entry.gid)
        for field, value in (("mode", f"{0o100000 | mode:#o}"), ("uid", uid), ("gid", gid)):
            yield f"sif {_quoted(path.name)} {field} {value}"
        for field in ("atime", "ctime", "mtime", "crtime"):
            yield f"sif {_quoted(path.name)} {field} @{moment}"
        yield from _labelled(before, path, entry, work)


def _require_lines(commands: list[str]) -> None:
    """Raise DockyardError where a name would end a command of debugfs, and begin another one."""
    for line in commands:
        if "\n" in line or "\0" in line or len(os.fsencode(line)) > _LONGEST_LINE:
            raise DockyardError(
                Problem(
                    "inject.name",
                    "a name cannot be written into the file system",
                    why=f"debugfs takes no line breaks, and no lines beyond {_LONGEST_LINE} bytes: "
                    f"{line[:80]!r}",
                    fix="choose another destination, or remove the extended attribute of that name",
                )
            )


def _labelled(
    before: Archive, path: PurePosixPath, entry: Entry | None, work: Path
) -> Iterator[str]:
    """Sets the extended attributes of the file that was there; a new one has the SELinux label of
    its directory, as the kernel gives it where a policy says nothing else.
    """
    values = dict(entry.xattrs) if entry is not None else {}
    for parent in path.parents if entry is None else ():
        found = before.find(os.fsencode(parent) if parent.parts else b"")
        if found is not None:
            values = {name: value for name, value in found.xattrs if name == XATTR_SELINUX}
            break
    for number, (name, value) in enumerate(values.items()):
        file = f"value-{len(list(work.iterdir()))}-{number}"
        (work / file).write_bytes(value)
        yield f"ea_set -f {file} {_quoted(path.name)} {_quoted(os.fsdecode(name))}"


def _quoted(*parts: str) -> str:
    """A path as one word of a command, as libss takes it."""
    return '"' + str(PurePosixPath(*parts)).replace('"', '""') + '"'


def _require_put(archive: Archive, paths: Mapping[PurePosixPath, Path], image: Path) -> None:
    """Raise DockyardError where a file is not there as it was put."""
    for path, source in paths.items():
        if not _is_there(archive, path, source):
            raise DockyardError(
                Problem(
                    "inject.not-put",
                    f"/{path} is not in the file system after it was put there",
                    where=image.name,
                    why="it may have no room for it",
                    fix="make the image with a larger partition",
                )
            )
