"""Places a finished image where the user wants it, and knows when it is there already."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from dockyard.engine.store import Store
from dockyard.errors import DockyardError, Problem, Severity
from dockyard.host import files, kernel, removal, stopping
from dockyard.host.conditions import mode_for_caller
from dockyard.host.storage import output_refused
from dockyard.pipeline.request import ImageRequest

_RECORD = "outputs"
_DIGESTS = "digests"

# Names by which a reader takes an image for one format. `.img` and `.bin` promise none.
_PROMISING = {".raw", ".qcow2", ".vhd", ".vhdx", ".vmdk", ".vdi", ".iso", ".cosi", ".wsl"}


def place(
    write: Callable[[Path], tuple[Path, ...]],
    identity: str,
    target: Path,
    store: Store,
    *,
    keeps_modes: bool = False,
) -> bool:
    """Have an image written at a path, whole or not at all.

    write: fills an empty directory and gives what it made: the image, which takes the name of the
    target, and what is to stand beside it. identity: what names the image. keeps_modes: of what is
    in a directory. False when what is there was placed under that name and has not been touched
    since.
    """
    target = target.absolute()
    with store.exclusive(f"output-{hashlib.sha256(os.fsencode(target)).hexdigest()[:40]}"):
        if is_placed(identity, target, store):
            return False
        _write(write, target, keeps_modes)
        with store.exclusive(_RECORD):  # others are written meanwhile
            placed = {**store.record(_RECORD), str(target): _stamp(target, identity)}
            store.keep_record(_RECORD, placed)
    return True


def is_placed(identity: str | None, target: Path, store: Store) -> bool:
    """Whether what is at a path was placed there as this image and not touched since."""
    known = store.record(_RECORD).get(str(target.absolute()))
    return identity is not None and known is not None and known == _stamp(target, identity)


def _write(write: Callable[[Path], tuple[Path, ...]], target: Path, keeps_modes: bool) -> None:
    part = files.part_of(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        files.remove_parts(target)  # of builds that were killed while they wrote
        part.mkdir(0o755)
        image, *beside = write(part)
        for path in (*beside, image):  # the image last: when it is there, all is
            _give_to_caller(path, keeps_modes)
            _put(path, target if path == image else _beside(path, image, target))
    except OSError as error:
        raise _not_written(target, error) from error
    except DockyardError as error:
        (problem, *more) = error.problems
        if more or problem.code != "host.no-space":
            raise
        full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        raise _not_written(target, full) from error
    finally:
        with stopping.clearing(), suppress(OSError, DockyardError):
            removal.remove_tree(part)


def _beside(path: Path, image: Path, target: Path) -> Path:
    """Where a file goes that belongs to an image. One with the image's name takes that of the
    target: so systemd finds `web.roothash` of `web.raw`, and that of another image is left alone.
    """
    if path.stem != image.stem:
        return target.with_name(path.name)
    stem = target.stem if target.suffix == image.suffix else target.name
    return target.with_name(f"{stem}{path.suffix}")


def _give_to_caller(path: Path, keeps_modes: bool) -> None:
    """Give an image the mode of the caller's files; keeps_modes: a directory, but not what is in
    it, to which it is the only way.
    """
    mode = mode_for_caller()
    if path.is_dir():
        for each in () if keeps_modes else files.below(path):
            each.chmod(mode | (mode & 0o444) >> 2 if each.is_dir() else mode)
        mode |= (mode & 0o444) >> 2
    path.chmod(mode)


def _put(path: Path, target: Path) -> None:
    """Give what was made its name, in one move. A directory that is replaced takes the place of
    the new one, and is removed with it.
    """
    if path.is_dir() and target.is_dir():
        kernel.exchange(path, target)
    else:
        path.rename(target)


def _not_written(target: Path, error: OSError) -> DockyardError:
    why, what_to_do = output_refused(error)
    return DockyardError(
        Problem(
            "build.output",
            f"the image could not be written to {target}",
            why=why,
            fix=f"{what_to_do} --output-image-file",
        )
    )


def image_digest(target: Path, store: Store) -> str:
    """The SHA-256 of an image that was placed, in hex: of a directory, that of the lines that
    sha256sum(1) prints of its files, without links. It is read, holes and all, for the first who
    asks: the zeros of the holes take several times as long as all that is in the image.
    """
    name = str(target.absolute())
    stamp = _stamp(target, name)
    with store.exclusive(_DIGESTS):
        known = store.record(_DIGESTS)
        kept = known.get(name)
        if isinstance(kept, dict) and stamp is not None and kept["stamp"] == stamp:
            return str(kept["sha256"])
        found = _directory_digest(target) if target.is_dir() else files.digest(target)
        placed = store.record(_RECORD)
        entries = {path: row for path, row in known.items() if path in placed}
        store.keep_record(_DIGESTS, {**entries, name: {"stamp": stamp, "sha256": found}})
        return found


def _directory_digest(target: Path) -> str:
    lines = (f"{files.digest(path)}  {path.relative_to(target)}\n" for path in _files(target))
    return hashlib.sha256("".join(lines).encode(errors="surrogateescape")).hexdigest()


def _files(target: Path) -> list[Path]:
    return [path for path in files.below(target) if stat.S_ISREG(path.lstat().st_mode)]


def image_size(target: Path) -> tuple[int, int]:
    """Bytes of an image, and of those the ones that are no holes."""
    found = [path.stat() for path in (_files(target) if target.is_dir() else [target])]
    return sum(each.st_size for each in found), sum(each.st_blocks * 512 for each in found)


def placed_files(store: Store) -> frozenset[Path]:
    """Every path at which an image was ever placed."""
    return frozenset(Path(path) for path in store.record(_RECORD))


def _stamp(target: Path, result: str) -> dict[str, object] | None:
    """What shows that a file is the one that was placed, without reading it."""
    try:
        found = target.stat()
    except OSError:
        return None
    inside = {"files": _inside(target)} if stat.S_ISDIR(found.st_mode) else {}
    return {
        **inside,
        "result": result,
        "inode": found.st_ino,
        "size": found.st_size,
        "modified": found.st_mtime_ns,
        "changed": found.st_ctime_ns,
    }


def _inside(target: Path) -> str:
    """What changes when something in a directory does."""
    made = hashlib.sha256()
    for path in files.below(target):
        found = path.lstat()
        told = (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
        made.update(f"{path.relative_to(target)}\0{told}\0".encode(errors="surrogateescape"))
    return made.hexdigest()


def require_placeable(
    target: Path, inputs: Sequence[Path], store: Store, *, directory: bool = False
) -> Path:
    """Where a path leads, when an image may be put there: a new name, or a regular file that is
    nothing the image is made of.

    inputs: what it is made of. directory: the image is one; it may replace one that was put there
    as an image and not touched since, or that is empty. Raises DockyardError for anything else,
    before any work.
    """
    problem = _unplaceable(target, inputs, store, directory)
    if problem is not None:
        fix = "choose a new name, or an image to replace, with --output-image-file"
        raise DockyardError(Problem("build.output", problem, str(target), fix=fix))
    return target.resolve()


def _unplaceable(target: Path, inputs: Sequence[Path], store: Store, directory: bool) -> str | None:
    try:
        real = target.resolve()
        found = target.stat() if target.exists() else None
    except (OSError, RuntimeError) as error:  # a loop of links
        return f"the image cannot be put there: {error}"
    if found is not None and directory:
        if not stat.S_ISDIR(found.st_mode):
            return f"the image is a directory, and would replace {_kind(found.st_mode)}"
        if any(real.iterdir()) and not _is_as_placed(real, store):
            return "the image would replace a directory with files that are not its own"
    elif found is not None and not stat.S_ISREG(found.st_mode):
        return f"the image would replace {_kind(found.st_mode)}"
    if real.is_relative_to(store.root.resolve()):
        return "the image cannot be put into the store"
    if found is not None:
        for path in inputs:
            if path.is_file() and path.samefile(target):
                return f"the image would replace what it is made of: {path}"
    for path in inputs:
        if path.is_dir() and real.is_relative_to(path.resolve()):
            return f"the image would become part of what it is made of: {path}"
    above = next(each for each in real.parents if each.exists())
    if not above.is_dir():
        return f"{above} is not a directory"
    if not os.access(above, os.W_OK | os.X_OK):
        return f"{above} cannot be written to"
    return None


def _is_as_placed(target: Path, store: Store) -> bool:
    known = store.record(_RECORD).get(str(target))
    return isinstance(known, dict) and known == _stamp(target, str(known.get("result")))


def _kind(mode: int) -> str:
    kinds = {
        stat.S_IFREG: "a file",
        stat.S_IFDIR: "a directory",
        stat.S_IFIFO: "a FIFO",
        stat.S_IFSOCK: "a socket",
        stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a device",
    }
    return kinds.get(stat.S_IFMT(mode), "something that is no file")


def misnamed(target: Path, written: str, extension: str) -> list[Problem]:
    """A warning where the name of an image promises another format than the one written."""
    suffix = target.suffix.lower()
    if suffix not in _PROMISING or suffix == extension:
        return []
    problem = Problem(
        "build.misnamed",
        f"{target.name} is written in the format {written}",
        why=f"who reads the name takes it for {suffix.lstrip('.')}",
        fix=f"name it {target.stem}{extension}, or choose its format with --output-image-format "
        "or output.image.format",
        severity=Severity.WARNING,
    )
    return [problem]


def output_path(request: ImageRequest, chosen: Path | None) -> Path:
    """Where the image goes: what the command line says, else the file, else its name here."""
    if chosen is not None:
        return chosen
    if told := request.loaded.image.output.image.path:
        return request.loaded.local(told)
    return Path(f"{request.product}{request.output.extension}")
