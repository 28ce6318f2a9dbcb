"""The seccomp filter of programs in the sandbox: classic BPF as linux/filter.h lays it out,
seccomp(2).

It refuses what no program has to do that only makes files: mounts, new namespaces, keys, tracing,
kernel modules, clocks, raw I/O rings and every other call with a history of holes. A refused call
fails with EPERM, or with ENOSYS where programs then fall back to an older one. Calls of another
architecture than the machine's own (i386, x32) do not exist at all.

Programs that ask for their data to be on disk are told that it is, without waiting. What a step
makes is in the store or it is not: a result that was half written when the machine stopped is never
used. rpm alone asks some three hundred times in one transaction.
"""

from __future__ import annotations

import os
import platform
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from errno import EAFNOSUPPORT, ENOSYS, EPERM
from functools import lru_cache

from dockyard.errors import DockyardError, Problem

_LOAD = 0x20  # BPF_LD | BPF_W | BPF_ABS
_JUMP_IF_EQUAL = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_JUMP_IF_AT_LEAST = 0x35  # BPF_JMP | BPF_JGE | BPF_K
_JUMP_IF_ANY = 0x45  # BPF_JMP | BPF_JSET | BPF_K
_RETURN = 0x06  # BPF_RET | BPF_K
_ALLOW = 0x7FFF0000
_ERROR = 0x00050000  # SECCOMP_RET_ERRNO; with errno 0 the call returns 0 and does nothing
_NUMBER_AT, _ARCHITECTURE_AT, _ARGUMENTS_AT = 0, 4, 16  # in struct seccomp_data
_X32 = 0x40000000

# CLONE_NEWTIME, _NEWNS, _NEWCGROUP, _NEWUTS, _NEWIPC, _NEWUSER, _NEWPID, _NEWNET
_NEW_NAMESPACES = 0x7E020080
_LOCAL_AND_INTERNET = (1, 2, 10, 16)  # AF_UNIX, AF_INET, AF_INET6, AF_NETLINK
_TERMINAL_INPUT = (0x5412, 0x541C)  # TIOCSTI, TIOCLINUX


@dataclass(frozen=True)
class _Machine:
    """Numbers of the calls of one architecture (asm/unistd.h). audit: its AUDIT_ARCH_*."""

    audit: int
    sync: tuple[int, ...]
    refused: tuple[int, ...]
    unknown: tuple[int, ...]
    clone: int
    unshare: int
    socket: int
    ioctl: int
    x32: bool = False


# sync, fsync, fdatasync, syncfs, sync_file_range, msync
_SYNC_X86_64 = (162, 74, 75, 306, 277, 26)
_SYNC_AARCH64 = (81, 82, 83, 267, 84, 227)

# The newer calls have one number on all architectures. Mounts: open_tree, move_mount, fsopen,
# fsconfig, fsmount, fspick, mount_setattr, open_tree_attr; pidfd_getfd; quotactl_fd.
_REFUSED_EVERYWHERE = (428, 429, 430, 431, 432, 433, 438, 442, 467, 443)
# clone3 (its flags cannot be seen by a filter), io_uring_setup, _enter, _register.
_UNKNOWN_EVERYWHERE = (435, 425, 426, 427)

_MACHINES = {
    "x86_64": _Machine(
        audit=0xC000003E,
        sync=_SYNC_X86_64,
        refused=(
            *(165, 166, 155, 308),  # mount, umount2, pivot_root, setns
            *(248, 249, 250),  # add_key, request_key, keyctl
            *(321, 298, 323),  # bpf, perf_event_open, userfaultfd
            *(101, 310, 311, 312),  # ptrace, process_vm_readv, process_vm_writev, kcmp
            *(175, 313, 176),  # init_module, finit_module, delete_module
            *(246, 320, 169),  # kexec_load, kexec_file_load, reboot
            *(167, 168, 163, 179),  # swapon, swapoff, acct, quotactl
            *(164, 227, 305, 159),  # settimeofday, clock_settime, clock_adjtime, adjtimex
            *(103, 304, 300, 212),  # syslog, open_by_handle_at, fanotify_init, lookup_dcookie
            *(170, 171, 153, 180),  # sethostname, setdomainname, vhangup, nfsservctl
            *(172, 173, 154),  # iopl, ioperm, modify_ldt
            *_REFUSED_EVERYWHERE,
        ),
        unknown=_UNKNOWN_EVERYWHERE,
        clone=56,
        unshare=272,
        socket=41,
        ioctl=16,
        x32=True,
    ),
    "aarch64": _Machine(
        audit=0xC00000B7,
        sync=_SYNC_AARCH64,
        refused=(
            *(40, 39, 41, 268),  # mount, umount2, pivot_root, setns
            *(217, 218, 219),  # add_key, request_key, keyctl
            *(280, 241, 282),  # bpf, perf_event_open, userfaultfd
            *(117, 270, 271, 272),  # ptrace, process_vm_readv, process_vm_writev, kcmp
            *(105, 273, 106),  # init_module, finit_module, delete_module
            *(104, 294, 142),  # kexec_load, kexec_file_load, reboot
            *(224, 225, 89, 60),  # swapon, swapoff, acct, quotactl
            *(170, 112, 266, 171),  # settimeofday, clock_settime, clock_adjtime, adjtimex
            *(116, 265, 262, 18),  # syslog, open_by_handle_at, fanotify_init, lookup_dcookie
            *(161, 162, 58, 42),  # sethostname, setdomainname, vhangup, nfsservctl
            *_REFUSED_EVERYWHERE,
        ),
        unknown=_UNKNOWN_EVERYWHERE,
        clone=220,
        unshare=97,
        socket=198,
        ioctl=29,
    ),
}


@dataclass
class _Program:
    """A BPF program in the making."""

    instructions: list[tuple[int, int, int, int]] = field(default_factory=list)

    def load(self, offset: int) -> None:
        self.instructions.append((_LOAD, 0, 0, offset))

    def answer(self, value: int) -> None:
        self.instructions.append((_RETURN, 0, 0, value))

    def answer_if(self, numbers: Sequence[int], value: int) -> None:
        """Answer where what is loaded is one of the numbers."""
        for number in numbers:
            self.instructions.append((_JUMP_IF_EQUAL, 0, 1, number))
            self.answer(value)

    def on_argument(self, call: int, argument: int, rules: _Program) -> None:
        """For one call, run rules that end in an answer, with an argument's low word loaded."""
        self.instructions.append((_JUMP_IF_EQUAL, 0, len(rules.instructions) + 1, call))
        self.load(_ARGUMENTS_AT + 8 * argument)
        self.instructions += rules.instructions

    def packed(self) -> bytes:
        return b"".join(struct.pack("<HBBI", *one) for one in self.instructions)


@lru_cache
def program(machine: str, *, sync: bool = False) -> bytes:
    """The filter for a machine, by its name in uname(2). sync: let programs wait for the disk.

    Raises DockyardError for a machine whose call numbers are not known.
    """
    if machine not in _MACHINES:
        raise DockyardError(
            Problem(
                "host.no-filter",
                f"programs cannot be confined on a machine of the kind {machine}",
                why="the numbers of its system calls are not known here",
                fix=f"build on one of these: {', '.join(sorted(_MACHINES))}",
            )
        )
    numbers = _MACHINES[machine]
    made = _Program()
    made.load(_ARCHITECTURE_AT)
    made.instructions.append((_JUMP_IF_EQUAL, 1, 0, numbers.audit))
    made.answer(_ERROR | ENOSYS)
    made.load(_NUMBER_AT)
    _confine(made, numbers)
    if not sync:
        made.answer_if(numbers.sync, _ERROR)
    made.answer(_ALLOW)
    return made.packed()


def _confine(made: _Program, numbers: _Machine) -> None:
    if numbers.x32:
        made.instructions.append((_JUMP_IF_AT_LEAST, 0, 1, _X32))
        made.answer(_ERROR | ENOSYS)
    made.answer_if(numbers.refused, _ERROR | EPERM)
    made.answer_if(numbers.unknown, _ERROR | ENOSYS)
    flags = _Program()
    flags.instructions.append((_JUMP_IF_ANY, 0, 1, _NEW_NAMESPACES))
    flags.answer(_ERROR | EPERM)
    flags.answer(_ALLOW)
    for call in (numbers.clone, numbers.unshare):
        made.on_argument(call, 0, flags)
    families = _Program()
    families.answer_if(_LOCAL_AND_INTERNET, _ALLOW)
    families.answer(_ERROR | EAFNOSUPPORT)
    made.on_argument(numbers.socket, 0, families)
    requests = _Program()
    requests.answer_if(_TERMINAL_INPUT, _ERROR | EPERM)
    requests.answer(_ALLOW)
    made.on_argument(numbers.ioctl, 1, requests)


@contextmanager
def descriptor(*, sync: bool = False) -> Iterator[int]:
    """A descriptor of a file in memory that holds the filter of this machine, for bwrap to read,
    for a block.
    """
    number = os.memfd_create("seccomp", os.MFD_CLOEXEC)
    try:
        os.write(number, program(platform.machine(), sync=sync))
        os.lseek(number, 0, os.SEEK_SET)
        yield number
    finally:
        os.close(number)
