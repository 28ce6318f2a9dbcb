"""Programs of another architecture in the sandbox: the kernel hands them to an emulator.

Which emulator runs what is registered in the instance of binfmt_misc of the user namespace of
confined programs, and nowhere else: nothing outside it, neither the host nor the house, knows of
it, and it is gone with this process. That each user namespace may have its own is new in Linux 6.7
(Documentation/admin-guide/binfmt-misc.rst). The kernel opens the emulator when it is registered, so
that no tree that programs run in needs a copy.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from pathlib import Path

from dockyard.errors import DockyardError, Problem
from dockyard.host import kernel, namespace
from dockyard.model.architecture import Architecture

_KIND = "binfmt_misc"
# e_machine in the header of ELF files (elf.h).
_MACHINES: Mapping[Architecture, int] = {Architecture.X86_64: 62, Architecture.AARCH64: 183}
# An executable or a shared object (2 or 3) of 64 bits, little-endian, for Linux or any system.
_HEADER = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\0"
_MASK = b"\xff" * 7 + b"\0" + b"\xff" * 8 + b"\xfe\xff"
# Keep the name that a program was called by; open the emulator now.
_FLAGS = "PF"
_FIRST_KERNEL = "6.7"

_known: dict[tuple[Architecture, Path], int] = {}
"""By what was registered: a descriptor that keeps the instance, which ends with its last user."""


def run_by(emulator: Path, architecture: Architecture) -> None:
    """From now on, have programs of an architecture run by an emulator in the sandbox of this
    process.

    emulator: a program of this machine that needs no library, and is to be readable by all. Needs
    `namespace.enter()` before, and no thread that forks. Raises DockyardError
    (`host.no-foreign-programs`) where the kernel has no such instances.
    """
    key = (architecture, emulator)
    if key in _known:
        return
    if is_known(architecture):
        raise RuntimeError(f"programs for {architecture} have an emulator already")
    program = os.open(emulator, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _known[key] = _instance(architecture, rule(architecture, f"/proc/self/fd/{program}"))
    finally:
        os.close(program)


def require(architecture: Architecture) -> None:
    """Raise DockyardError as `run_by` does, before there is an emulator."""
    if not is_known(architecture):
        os.close(_instance(architecture))


def is_known(architecture: Architecture) -> bool:
    """Whether programs of an architecture have an emulator."""
    return any(known is architecture for known, _ in _known)


def rule(architecture: Architecture, program: str) -> bytes:
    """What is written to `register`, for an emulator."""
    header = _escaped(_HEADER + _MACHINES[architecture].to_bytes(2, "little"))
    mask = _escaped(_MASK + b"\xff\xff")
    return f":{architecture}:M:0:{header}:{mask}:{program}:{_FLAGS}".encode()


def _escaped(data: bytes) -> str:
    return "".join(f"\\x{each:02x}" for each in data)


def _instance(architecture: Architecture, registered: bytes = b"") -> int:
    """A descriptor of the instance of confined programs, with a rule registered. Raises
    DockyardError where there is none.
    """
    try:
        return _opened(registered)
    except OSError as error:
        raise DockyardError(_impossible(architecture, error)) from error


def _opened(registered: bytes) -> int:
    """Work in a child, which joins the namespace of confined programs: whoever mounts an instance
    gets that of the namespace that he is in. Raises OSError.
    """
    confined = namespace.confined()
    answer_read, answer_write = os.pipe()
    taken_read, taken_write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(taken_write)
            kernel.join(confined, kernel.CLONE_NEWUSER)
            # Else /proc shows what it has open to the root of the host alone.
            kernel.set_dumpable()
            kernel.unshare(kernel.CLONE_NEWNS)
            instance = kernel.detached_mount(_KIND)
            if registered:
                file = os.open("register", os.O_WRONLY, dir_fd=instance)
                os.write(file, registered)
            os.write(answer_write, b"%d" % instance)
            os.read(taken_read, 1)
        except OSError as error:
            os.write(answer_write, b"-%d" % (error.errno or errno.EIO))
        finally:
            os._exit(0)
    os.close(answer_write)
    os.close(taken_read)
    try:
        answer = int(os.read(answer_read, 16) or b"-%d" % errno.EIO)
        if answer < 0:
            raise OSError(-answer, os.strerror(-answer))
        return os.open(f"/proc/{child}/fd/{answer}", os.O_PATH | os.O_CLOEXEC)
    finally:
        os.close(answer_read)
        os.close(taken_write)
        os.waitpid(child, 0)


def _impossible(architecture: Architecture, error: OSError) -> Problem:
    reason = error.strerror or str(error)
    return Problem(
        code="host.no-foreign-programs",
        what=f"programs for {architecture} cannot be run on this machine",
        why=f"the kernel registers no emulator for a user namespace: {reason}",
        fix=f"boot Linux {_FIRST_KERNEL} or newer with binfmt_misc (CONFIG_BINFMT_MISC), or build "
        f"on a machine of the kind {architecture}",
    )
