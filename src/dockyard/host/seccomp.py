"""A seccomp filter under which programs that ask for their data to be on disk are told that it is.

What a step makes is in the store or it is not: a result that was half written when the machine
stopped is never used. So nothing is gained by waiting for the disk, which rpm does some three
hundred times in one transaction. seccomp(2) with classic BPF, as linux/filter.h lays it out.
"""

from __future__ import annotations

import os
import platform
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

_LOAD = 0x20  # BPF_LD | BPF_W | BPF_ABS
_JUMP_IF_EQUAL = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_RETURN = 0x06  # BPF_RET | BPF_K
_ALLOW = 0x7FFF0000
_SUCCEED = 0x00050000  # SECCOMP_RET_ERRNO with errno 0: the call returns 0 and does nothing
_NUMBER_AT, _ARCHITECTURE_AT = 0, 4  # in struct seccomp_data

# machine -> (AUDIT_ARCH_*, the numbers of sync, fsync, fdatasync, syncfs, sync_file_range, msync)
_CALLS = {
    "x86_64": (0xC000003E, (162, 74, 75, 306, 277, 26)),
    "aarch64": (0xC00000B7, (81, 82, 83, 267, 84, 227)),
}


@lru_cache
def no_sync(machine: str = "") -> bytes:
    """The filter for a machine (default: this one); one that allows all where its call numbers are
    not known.
    """
    architecture, numbers = _CALLS.get(machine or platform.machine(), (0, ()))
    count = len(numbers)
    program = [
        (_LOAD, 0, 0, _ARCHITECTURE_AT),
        (_JUMP_IF_EQUAL, 0, count + 1, architecture),
        (_LOAD, 0, 0, _NUMBER_AT),
        *((_JUMP_IF_EQUAL, count - i, 0, number) for i, number in enumerate(numbers)),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _SUCCEED),
    ]
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in program)


@contextmanager
def descriptor() -> Iterator[int]:
    """A descriptor of a file in memory that holds the filter, for bwrap to read, for a block."""
    number = os.memfd_create("seccomp", os.MFD_CLOEXEC)
    try:
        os.write(number, no_sync())
        os.lseek(number, 0, os.SEEK_SET)
        yield number
    finally:
        os.close(number)
