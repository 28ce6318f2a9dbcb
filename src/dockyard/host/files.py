"""Files of the host: read with care, written whole or not at all, copied with their holes, locked.

For paths that an image names, see `in_root`.
"""

from __future__ import annotations

import errno
import fcntl
import glob
import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from io import BufferedReader
from pathlib import Path

from dockyard.host import stopping
from dockyard.host.removal import remove_tree

# Bytes: what a person writes (configuration, lists, keys), and what is copied into an image.
LARGEST_TEXT = 16 << 20
LARGEST_SOURCE = 4 << 30

_KINDS = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)

# What they hold is made when it is read: it says no size, and may wait for what never comes.
_OF_THE_KERNEL = frozenset(
    ("proc", "sysfs", "tracefs", "debugfs", "securityfs", "configfs", "cgroup", "cgroup2", "bpf",
     "pstore", "efivarfs", "selinuxfs", "binfmt_misc", "fusectl", "mqueue", "nsfs"),
)  # fmt: skip

_LOCK_SECONDS = 0.1
_COPIED_AT_ONCE = 1 << 26
_SMALL = 1 << 16  # bytes: nobody makes holes in less


def open_regular(path: Path, limit: int) -> BufferedReader:
    """Open a file that a user names: a regular one, of no more than `limit` bytes.

    Anything else may never end or never begin (a device, a FIFO, /proc/kmsg), so it is not even
    opened. Raises OSError, whose `strerror` says what is wrong.
    """
    found = path.stat()
    require_regular(found, limit)
    if _filesystem_of(found.st_dev) in _OF_THE_KERNEL:
        raise OSError(errno.EINVAL, "the kernel makes it up when it is read; a file is wanted")
    # Between the two looks the name may have come to mean a FIFO.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        require_regular(os.fstat(descriptor), limit)
    except OSError:
        os.close(descriptor)
        raise
    return os.fdopen(descriptor, "rb")


def read_regular(path: Path, limit: int = LARGEST_TEXT) -> bytes:
    """The bytes of a file that a user names; see open_regular. Raises OSError."""
    with open_regular(path, limit) as file:
        data = file.read(limit + 1)  # it may grow meanwhile
    if len(data) > limit:
        raise _too_large(limit)
    return data


def require_regular(found: os.stat_result, limit: int) -> None:
    """Raise OSError, whose `strerror` says what is wrong, unless it is a regular file of no more
    than `limit` bytes.
    """
    for is_kind, name in _KINDS:
        if is_kind(found.st_mode):
            raise OSError(errno.EINVAL, f"it is {name}; a regular file is wanted")
    if found.st_size > limit:
        raise _too_large(limit)


@cache
def _filesystem_of(device: int) -> str:
    """The kind of the file system that a device number is of, as mountinfo has it (proc(5)); empty
    where it has none.
    """
    number = f"{os.major(device)}:{os.minor(device)}"
    with suppress(OSError):
        for line in Path("/proc/self/mountinfo").read_text(errors="replace").splitlines():
            before, _, after = line.partition(" - ")
            if before.split()[2] == number:
                return after.split()[0]
    return ""


def _too_large(limit: int) -> OSError:
    return OSError(errno.EFBIG, f"it is larger than {limit >> 20} MiB, the most that is read")


def write_atomic(
    path: Path, data: bytes, mode: int = 0o644, *, outlasts_power: bool = True
) -> None:
    """Write a file of the host so that a reader sees the old or the new content, never a part.

    outlasts_power: also after a loss of power, for which the disk is waited for; what can be made
    again, and shows by itself that it is not whole, need not.
    """
    part = part_of(path)
    # Others may write to the directory, too: what they put under the name is not written through.
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            if outlasts_power:
                file.flush()
                os.fsync(file.fileno())
        part.rename(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def part_of(path: Path) -> Path:
    """Where this process writes what takes its name when it is whole: `.NAME.PID.part`."""
    return path.with_name(f".{path.name}.{os.getpid()}.part")


def remove_parts(path: Path) -> None:
    """Remove what processes that died left of a file or directory that they were writing."""
    for part in path.parent.glob(f".{glob.escape(path.name)}.*.part"):
        pid = part.name.removesuffix(".part").rpartition(".")[2]
        if pid.isdigit() and not Path("/proc", pid).exists():
            remove_tree(part) if part.is_dir() else part.unlink(missing_ok=True)


def readable_by_all(path: Path) -> bool:
    """Whether programs in the sandbox may read a file, given its directory."""
    return path.stat().st_mode & 0o004 != 0 and path.parent.stat().st_mode & 0o005 == 0o005


def make_root(path: Path) -> None:
    """Make the empty root directory of an image's tree, 0755 and root's; inside the namespace."""
    path.mkdir()
    os.chown(path, 0, 0)
    path.chmod(0o755)


def below(directory: Path) -> list[Path]:
    """All names below a directory, sorted; no link is followed. Path.rglob of Python before 3.12
    raises an error at a link whose target is no name of a file.
    """
    return sorted(
        Path(place) / name
        for place, directories, others in os.walk(directory)
        for name in (*directories, *others)
    )


def copy_sparse(source: Path, target: Path, start: int = 0, size: int | None = None) -> None:
    """Copy a file with its holes, by reflink where the file system can; target must not exist.

    start, size: of the part that is copied, in bytes; default: all. Raises OSError (ENOSPC among
    others).
    """
    with source.open("rb") as reader, target.open("xb") as writer:
        end = os.fstat(reader.fileno()).st_size if size is None else start + size
        os.ftruncate(writer.fileno(), end - start)
        for low, high in data_ranges(reader.fileno(), end, start):
            copy_range(reader.fileno(), writer.fileno(), low, high, low - start)


def being_written() -> frozenset[Path]:
    """The regular files that this process has open for writing, such as a log that its output goes
    to.
    """
    found = set()
    for each in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # the descriptor of the directory itself is gone
            writes = fcntl.fcntl(int(each.name), fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDONLY
            if writes and stat.S_ISREG(each.stat().st_mode):
                found.add(each.readlink())
    return frozenset(found)


def digest(path: Path | str) -> str:
    """The SHA-256 of a file, in hex. Holes are not read: an image is mostly holes."""
    with open(path, "rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        if size <= _SMALL:
            return hashlib.sha256(file.readall()).hexdigest()
        found, at = hashlib.sha256(), 0
        zeros = memoryview(bytes(1 << 20))
        for start, end in (*data_ranges(file.fileno(), size), (size, size)):
            while at < start:
                stopping.check()
                found.update(zeros[: min(start - at, len(zeros))])
                at += min(start - at, len(zeros))
            while at < end and (piece := os.pread(file.fileno(), min(end - at, len(zeros)), at)):
                stopping.check()
                found.update(piece)
                at += len(piece)
    return found.hexdigest()


def copy_range(source: int, target: int, start: int, end: int, at: int) -> None:
    """Copy bytes start to end of one open file to the place `at` of another, inside the kernel.

    Raises OSError, also when the source has become shorter. The target's own position moves.
    """
    across = False
    while start < end:
        stopping.check()
        count = min(end - start, _COPIED_AT_ONCE)
        try:
            if across:
                os.lseek(target, at, os.SEEK_SET)
                done = os.sendfile(target, source, start, count)
            else:
                done = os.copy_file_range(source, target, count, start, at)
        except OSError as error:
            # Between file systems of two kinds copy_file_range(2) does not work.
            if across or error.errno not in (errno.EXDEV, errno.EINVAL, errno.EOPNOTSUPP):
                raise
            across = True
            continue
        if not done:
            raise OSError(errno.EIO, "the source became shorter while it was copied")
        start += done
        at += done


def data_ranges(descriptor: int, end: int, start: int = 0) -> Iterator[tuple[int, int]]:
    """The (start, end) byte ranges between two places of a file that are not holes, in order
    (lseek(2) SEEK_DATA).
    """
    while start < end:
        try:
            start = os.lseek(descriptor, start, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return
            raise
        if start < end:
            stop = min(os.lseek(descriptor, start, os.SEEK_HOLE), end)
            yield start, stop
            start = stop


@contextmanager
def exclusive(path: Path, waiting: Callable[[], None] | None = None) -> Iterator[None]:
    """Hold an exclusive lock on a file (flock(2)) while the block runs; waits for other holders.

    waiting: called once when there is one to wait for.
    """
    descriptor = _locked(path, fcntl.LOCK_EX, waiting)
    try:
        yield
    finally:
        os.close(descriptor)


@contextmanager
def shared(path: Path) -> Iterator[None]:
    """Hold a lock on a file that many may hold at once, while nobody holds it by `exclusive`."""
    descriptor = _locked(path, fcntl.LOCK_SH)
    try:
        yield
    finally:
        os.close(descriptor)


def _locked(path: Path, kind: int, waiting: Callable[[], None] | None = None) -> int:
    """A descriptor that holds a lock on the file that is at a path then: see `remove_lock`."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            take_lock(descriptor, waiting, kind)
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(descriptor), path.stat()):
                    return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def take_lock(
    descriptor: int, waiting: Callable[[], None] | None = None, kind: int = fcntl.LOCK_EX
) -> None:
    """Take the lock of an open file, or wait for it; waiting: as in `exclusive`. Raises
    Stopped meanwhile, which a thread that sleeps in flock(2) would not.
    """
    while True:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if waiting:
                waiting()
                waiting = None
            stopping.pause(_LOCK_SECONDS)


def remove_lock(path: Path) -> bool:
    """Remove the file of a lock that nobody holds; False where somebody does. Who waits for it, or
    opened it just now, makes it anew.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(descriptor), path.stat()):
            path.unlink()
    except FileNotFoundError:
        return True
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def held(path: Path) -> bool:
    """Whether some living process holds the lock of `exclusive` on this file."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
