"""System calls that Python 3.11 has no name for: mount, fsmount, umount2, unshare, setns, openat2,
prctl, capset, fallocate.

Numbers and flags follow the Linux UAPI headers (linux/mount.h, linux/sched.h, linux/openat2.h);
the numbers used are the same on x86_64 and aarch64.
"""

from __future__ import annotations

import ctypes
import errno
import os
from pathlib import Path

CLONE_NEWNS = 0x00020000
CLONE_NEWUSER = 0x10000000

MS_NOSUID = 2
MS_NODEV = 4
MS_REC = 16384
MS_PRIVATE = 1 << 18

MNT_DETACH = 2

RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_IN_ROOT = 0x10

FALLOC_KEEP_SIZE = 0x01
FALLOC_PUNCH_HOLE = 0x02
FALLOC_ZERO_RANGE = 0x10

_SYS_FSOPEN, _SYS_FSCONFIG, _SYS_FSMOUNT = 430, 431, 432
_FSOPEN_CLOEXEC = _FSMOUNT_CLOEXEC = 1
_FSCONFIG_CMD_CREATE = 6
_SYS_OPENAT2 = 437
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_MOST_TRIES = 10_000

_PR_SET_DUMPABLE = 4
_PR_SET_KEEPCAPS = 8
_CAPABILITY_VERSION_3 = 0x20080522

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mount.argtypes = (
    ctypes.c_char_p,
    ctypes.c_char_p,
    ctypes.c_char_p,
    ctypes.c_ulong,
    ctypes.c_char_p,
)
_libc.fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)


def _check(result: int, path: str | bytes | None = None) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)
    return result


def unshare(flags: int) -> None:
    """Leave the namespaces named by flags for new ones (unshare(2)); raises OSError."""
    _check(_libc.unshare(flags))


def join(descriptor: int, kind: int) -> None:
    """Enter a namespace of a kind by its descriptor (setns(2)); raises OSError."""
    _check(_libc.setns(descriptor, kind))


def detached_mount(kind: str) -> int:
    """Mount a file system of a kind nowhere (fsopen(2), fsconfig(2), fsmount(2)), and give a
    descriptor of its root, with which it ends; raises OSError.
    """
    opened = _check(_libc.syscall(_SYS_FSOPEN, kind.encode(), _FSOPEN_CLOEXEC), kind)
    try:
        _check(_libc.syscall(_SYS_FSCONFIG, opened, _FSCONFIG_CMD_CREATE, None, None, 0), kind)
        return _check(_libc.syscall(_SYS_FSMOUNT, opened, _FSMOUNT_CLOEXEC, 0), kind)
    finally:
        os.close(opened)


def mount(source: str, target: str, kind: str = "", flags: int = 0, options: str = "") -> None:
    """Mount a file system (mount(2)); raises OSError with the target's path."""
    _check(
        _libc.mount(source.encode(), target.encode(), kind.encode(), flags, options.encode()),
        target,
    )


def unmount(target: str, flags: int = MNT_DETACH) -> None:
    """Unmount (umount2(2)); raises OSError with the target's path."""
    _check(_libc.umount2(target.encode(), flags), target)


def allocate(descriptor: int, mode: int, start: int, length: int) -> None:
    """Change what is allocated of a file or a block device (fallocate(2)); raises OSError."""
    _check(_libc.fallocate(descriptor, mode, start, length))


def set_dumpable() -> None:
    """Let /proc show this process to those who have its ids (prctl(2), PR_SET_DUMPABLE)."""
    _check(_libc.prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0))


def become(number: int) -> None:
    """Change all user and group ids of this process and keep its capabilities; raises OSError."""
    kept = _capabilities()
    _check(_libc.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0))
    os.setresgid(number, number, number)
    os.setresuid(number, number, number)
    _check(_libc.capset(ctypes.byref(_CapabilityHeader(_CAPABILITY_VERSION_3, 0)), kept))


class _CapabilityHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _CapabilityData(ctypes.Structure):
    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


def _capabilities() -> ctypes.Array[_CapabilityData]:
    """This thread's capabilities, as capset(2) takes them."""
    found = (_CapabilityData * 2)()
    _check(_libc.capget(ctypes.byref(_CapabilityHeader(_CAPABILITY_VERSION_3, 0)), found))
    return found


class _OpenHow(ctypes.Structure):
    _fields_ = (
        ("flags", ctypes.c_uint64),
        ("mode", ctypes.c_uint64),
        ("resolve", ctypes.c_uint64),
    )


def openat2(directory: int, path: bytes, flags: int, mode: int = 0, resolve: int = 0) -> int:
    """Open a path below a directory's descriptor under resolution rules (openat2(2)); raises
    OSError.
    """
    how = _OpenHow(flags | os.O_CLOEXEC, mode, resolve)
    for _ in range(_MOST_TRIES):
        found: int = _libc.syscall(
            _SYS_OPENAT2, directory, ctypes.c_char_p(path), ctypes.byref(how), ctypes.sizeof(how)
        )
        # A `..` cannot be held inside the root while anything on the host is renamed or mounted:
        # the kernel says so, and wants to be asked again.
        if found >= 0 or ctypes.get_errno() != errno.EAGAIN:
            break
    return _check(found, path)


def exchange(one: Path, other: Path) -> None:
    """Exchange the names of two files or directories of one file system in one move, renameat2(2).
    Raises OSError.
    """
    names = [os.fsencode(path) for path in (one, other)]
    _check(_libc.renameat2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE), names[1])
