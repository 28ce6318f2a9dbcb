"""Why a guest is given up: what QEMU, its monitor and the console say, as problems."""

from __future__ import annotations

from pathlib import Path

from dockyard.errors import Problem
from dockyard.vm import monitor
from dockyard.vm.boot_log import BootLog

SEE = "the console's last lines are above"
_GONE = {
    "": ("vm.guest-gone", "the guest ended before it had answered", SEE),
    "guest-shutdown": ("vm.guest-gone", "the guest shut itself down during the boot", SEE),
    "guest-reset": ("vm.guest-reset", "the guest restarted during the boot", SEE),
    "guest-panic": ("vm.kernel-panic", "the guest's kernel panicked", SEE),
}


def fatal(event: monitor.Event) -> str:
    """The reason for which a guest is gone, when an event says so."""
    match event:
        case monitor.Event("SHUTDOWN", reason):
            return reason
        case monitor.Event("GUEST_PANICKED", _):
            return "guest-panic"
        case monitor.Event("STOP", _):
            return "internal-error"
        case _:
            return ""


def problem(
    log: BootLog, console: Path, code: str, what: str, fix: str, excerpt: tuple[str, ...] = ()
) -> Problem:
    """A problem of a boot, with the last lines of its console where nothing else proves it.
    console: the file that has all of it.
    """
    stage = f"{log.stage.title} stage of the boot"
    fix = f"{fix}; all that the guest printed is in {console}"
    return Problem(code, what, stage, fix=fix, excerpt=excerpt or log.tail())


def gone(log: BootLog, console: Path, errors: Path, event: str, status: int | None) -> Problem:
    """The problem of a guest that is gone. errors: what QEMU said. event: see `fatal`. status: of
    QEMU, where that has ended.
    """
    told = errors.read_text(errors="replace").strip().splitlines()
    if event == "internal-error" or (status and status != 0):
        return Problem(
            code="vm.qemu-failed",
            what="QEMU could not run the guest",
            why=told[0] if told else f"it ended with status {status}",
            fix="boot it without the host's processor: --accel tcg",
            excerpt=tuple(told[1:10]),
        )
    return problem(log, console, *_GONE.get(event, _GONE[""]))
