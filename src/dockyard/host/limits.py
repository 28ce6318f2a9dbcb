"""What a program in the sandbox may use: time, memory, processes, the size of a file.

Programs of packages and images have all of these limits. Those that Dockyard brought have them
where they read what a stranger may have made: then the time follows from the size of that.

Time, memory and processes are those of the program and all that it starts, and are watched from
outside: control groups are not there for every user of every host. `RLIMIT_NPROC` holds a fork bomb
until the watch sees it, and `RLIMIT_FSIZE` is the kernel's own.

A user changes them with variables of the environment; they never shape a result, only whether there
is one.

    DOCKYARD_LIMIT_TIME       seconds                            3600
    DOCKYARD_LIMIT_MEMORY     bytes, or with K, M, G, T          three quarters of the machine's
    DOCKYARD_LIMIT_PROCESSES  number                             4096
    DOCKYARD_LIMIT_FILE_SIZE  bytes, or with K, M, G, T          64G
"""

from __future__ import annotations

import os
import re
import resource
import signal
import subprocess
import threading
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from dockyard.errors import DockyardError, Problem
from dockyard.host import clock

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_PAGE = os.sysconf("SC_PAGE_SIZE")
_LOOK_SECONDS = 0.2
_LEAST_READING, _READ_IN_A_SECOND = 600, 1 << 20  # seconds, bytes
_MUCH_SHARED = 4096  # pages: more than libraries that programs have in common
# Where the sandbox has file systems in memory (see `sandbox`).
_MEMORY_MOUNTS = ("dev", "tmp", "run", "var/tmp")


@dataclass(frozen=True, slots=True)
class Limits:
    """seconds: of the clock on the wall. memory, file_size: bytes. processes: at one time. image:
    what is read by a program that Dockyard brought; None for programs of packages and images.
    """

    seconds: int = 3600
    memory: int = _PAGE * os.sysconf("SC_PHYS_PAGES") * 3 // 4
    processes: int = 4096
    file_size: int = 64 << 30
    image: Path | None = None


def chosen_limits(environment: Mapping[str, str] = os.environ) -> Limits:
    """The limits that the user's environment asks for.

    Raises DockyardError with every variable that is no number above 0.
    """
    problems: list[Problem] = []

    def read(name: str, default: int, sized: bool) -> int:
        text = environment.get(f"DOCKYARD_LIMIT_{name}", "")
        if not text:
            return default
        found = re.fullmatch(r"([0-9]{1,15})([KMGT]?)", text)
        if not found or not int(found[1]) or (found[2] and not sized):
            fix = "give a whole number above 0" + (", with K, M, G or T if you like" * sized)
            what = f"DOCKYARD_LIMIT_{name} is {text[:40]!r}, which is no limit"
            problems.append(Problem("host.bad-limit", what, "the environment", fix=fix))
            return default
        return int(found[1]) * _UNITS[found[2]]

    usual = Limits()
    limits = Limits(
        read("TIME", usual.seconds, False),
        read("MEMORY", usual.memory, True),
        read("PROCESSES", usual.processes, False),
        read("FILE_SIZE", usual.file_size, True),
    )
    if problems:
        raise DockyardError(*problems)
    return limits


def reading_limits(image: Path, environment: Mapping[str, str] = os.environ) -> Limits:
    """The limits of a program that Dockyard brought, which reads what a stranger may have made: ten
    minutes and a second for each MiB, or the time that the environment asks for where that is more.
    What it makes may be as large as it is: a raw disk is, and mostly holes. Raises as
    `chosen_limits` does.
    """
    chosen = chosen_limits(environment)
    size = image.lstat().st_size if os.path.lexists(image) else 0
    seconds = _LEAST_READING + size // _READ_IN_A_SECOND
    if environment.get("DOCKYARD_LIMIT_TIME"):
        seconds = max(seconds, chosen.seconds)
    return replace(chosen, seconds=seconds, file_size=resource.RLIM_INFINITY, image=image)


class Watch:
    """Kills a program that uses more than it may. Use it as the context in which one waits for the
    program; `problem` says afterwards what the program did, if it did.
    """

    def __init__(self, process: subprocess.Popen[bytes], limits: Limits, name: str) -> None:
        self._process = process
        self._limits = limits
        self._name = name
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, name="limits", daemon=True)
        self._problem: Problem | None = None

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    @property
    def problem(self) -> Problem | None:
        """Which limit the program went beyond, if any; ask when it has ended."""
        # Of bwrap's own programs the status is 128 and the signal.
        if not self._problem and self._process.returncode in _FILE_TOO_LARGE:
            size = _size_text(self._limits.file_size)
            self._problem = self._told(f"wrote a file of more than {size}", "FILE_SIZE")
        return self._problem

    def _look(self) -> None:
        limits, until = self._limits, clock.monotonic() + self._limits.seconds
        while not self._ended.wait(_LOOK_SECONDS):
            processes, memory = _used(self._process.pid)
            if clock.monotonic() > until:
                self._stop(f"ran for more than {limits.seconds} s", "TIME")
            elif processes > limits.processes:
                self._stop(f"started more than {limits.processes} processes", "PROCESSES")
            elif memory > limits.memory:
                self._stop(f"used more than {_size_text(limits.memory)} of memory", "MEMORY")
            else:
                continue
            return

    def _stop(self, what: str, variable: str) -> None:
        self._problem = self._told(what, variable)
        self._process.kill()

    def _told(self, what: str, variable: str) -> Problem:
        if self._limits.image is not None:
            return Problem(
                "host.limit",
                f"{self._name} {what}, and was stopped",
                str(self._limits.image),
                "no sound one of its size needs that, on any machine that is not overloaded",
                f"make or fetch it again; or allow it more: set DOCKYARD_LIMIT_{variable}",
            )
        return Problem(
            "host.limit",
            f"{self._name} {what}, and was stopped",
            why="programs of packages and images run within limits",
            fix=f"correct the program, or allow it more: set DOCKYARD_LIMIT_{variable}",
        )


_FILE_TOO_LARGE = (-signal.SIGXFSZ, 128 + signal.SIGXFSZ)


def _used(pid: int) -> tuple[int, int]:
    """How many processes a process has below it, and the bytes of memory that they have for
    themselves, together, or in files in memory.
    """
    pending, seen, pages = [pid], 0, 0
    files: dict[tuple[int, int], int] = {}
    own = {_device(path) for path in ("", *_MEMORY_MOUNTS)}
    while pending:
        place = f"/proc/{pending.pop()}"
        try:
            fields = Path(place, "statm").read_text().split()
            # What is resident, but for what is shared with files.
            pages += int(fields[1]) - int(fields[2])
            with suppress(OSError):  # whatever a process hides of itself, its children are seen
                if int(fields[2]) > _MUCH_SHARED:
                    pages += _shared(place)
                files |= _in_memory(place, own)
            for thread in os.listdir(f"{place}/task"):  # noqa: PTH208 (names are enough)
                children = Path(place, "task", thread, "children").read_text().split()
                pending += map(int, children)
                seen += len(children)
        except (OSError, IndexError, ValueError):
            continue  # it has ended meanwhile
    return seen, pages * _PAGE + sum(files.values())


def _shared(place: str) -> int:
    """Pages of a process's part of memory that is shared with others, not with files of a disk."""
    for line in Path(place, "smaps_rollup").read_text().splitlines():
        name, _, size = line.partition(":")
        if name == "Pss_Shmem":
            return (int(size.split()[0]) << 10) // _PAGE
    return 0


def _in_memory(place: str, own: Collection[int]) -> dict[tuple[int, int], int]:
    """The files in memory that a process has open, and the file systems in memory that it sees and
    we do not: who each is, and its bytes. own: the devices that we see.
    """
    found: dict[tuple[int, int], int] = {}
    for number in os.listdir(f"{place}/fd"):  # noqa: PTH208 (names are enough)
        with suppress(OSError):
            name = f"{place}/fd/{number}"
            if os.readlink(name).startswith("/memfd:"):  # noqa: PTH115 (text)
                status = os.stat(name)  # noqa: PTH116 (text)
                found[(status.st_dev, status.st_ino)] = status.st_blocks * 512
    root = _device("", place)
    for path in _MEMORY_MOUNTS:
        device = _device(path, place)
        if device != root and device not in own:
            with suppress(OSError):
                held = os.statvfs(f"{place}/root/{path}")
                found[(device, 0)] = (held.f_blocks - held.f_bfree) * held.f_frsize
    return found


def _device(path: str, place: str = "/proc/self") -> int:
    try:
        return os.stat(f"{place}/root/{path}").st_dev  # noqa: PTH116 (text)
    except OSError:
        return 0


def _size_text(size: int) -> str:
    for unit in ("T", "G", "M", "K"):
        if size >= _UNITS[unit]:
            return f"{size / _UNITS[unit]:.1f} {unit}iB"
    return f"{size} bytes"
