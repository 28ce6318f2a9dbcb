"""The conditions under which every program in the sandbox starts, whatever those of the caller.

The umask, resource limits, signal dispositions and mask, and the nice value are inherited from
whoever starts Dockyard, and a program can see them: under `nohup`, a script cannot trap SIGHUP;
under `umask 077`, what it makes is unreadable. Environment, locale and zone are `process`'s matter.

A limit that the caller may not raise and a nice value that an ordinary user may not lower stay.
"""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Callable
from contextlib import suppress

from dockyard.host.limits import Limits

UMASK = 0o022

_USUAL = (
    (resource.RLIMIT_CORE, 0),
    (resource.RLIMIT_NOFILE, 1024),
    (resource.RLIMIT_STACK, 8 << 20),
    (resource.RLIMIT_MEMLOCK, 64 << 10),
    (resource.RLIMIT_CPU, resource.RLIM_INFINITY),
    (resource.RLIMIT_AS, resource.RLIM_INFINITY),
    (resource.RLIMIT_DATA, resource.RLIM_INFINITY),
    (resource.RLIMIT_RSS, resource.RLIM_INFINITY),
    (resource.RLIMIT_NICE, 0),
    (resource.RLIMIT_RTPRIO, 0),
)
# How many processes may come into being between two looks of the watch.
_UNSEEN = 4096
_SIGNALS = sorted(signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP})


_callers_umask: int | None = None


def settle() -> None:
    """Give this process the umask under which everything is made; it may be called again."""
    global _callers_umask
    before = os.umask(UMASK)
    if _callers_umask is None:
        _callers_umask = before


def mode_for_caller() -> int:
    """The mode of a file that leaves the house: the one that the caller's own umask gives."""
    return 0o666 & ~(UMASK if _callers_umask is None else _callers_umask)


def conditions(limits: Limits | None = None) -> Callable[[], None]:
    """What a new process calls before it becomes a program. limits: those of programs that are not
    ours.

    It runs between fork and exec in a process that may have had threads: it makes system calls
    through modules that are there already, and nothing else.
    """
    wanted = dict(_USUAL)
    wanted[resource.RLIMIT_FSIZE] = limits.file_size if limits else resource.RLIM_INFINITY
    # More than the watch lets stand: it shall see what happens, and say so.
    most = limits.processes + _UNSEEN if limits else resource.RLIM_INFINITY
    wanted[resource.RLIMIT_NPROC] = most
    listed = sorted(wanted.items())

    def fix() -> None:
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        for which, value in listed:
            _, hard = resource.getrlimit(which)
            value = value if hard == resource.RLIM_INFINITY else _least(value, hard)
            resource.setrlimit(which, (value, value))
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, 0, 0)

    return fix


def _least(value: int, hard: int) -> int:
    return hard if value == resource.RLIM_INFINITY else min(value, hard)
