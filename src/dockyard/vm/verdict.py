"""What a booted image turned out to be: the answers, and what they amount to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dockyard.tree.check import Check
from dockyard.vm.qemu import Accel


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The answer to one check. actual: stripped stdout. status: of the script (124: it took too
    long; -1: there was no answer). errors: the end of its stderr.
    """

    check: Check
    passed: bool
    actual: str
    seconds: float
    status: int = 0
    errors: str = ""


@dataclass(frozen=True, slots=True)
class FailedUnit:
    """A unit that failed, with systemctl's status and the end of its journal."""

    name: str
    status: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a booted image turned out to be.

    system_state: as systemctl is-system-running names it; `running` is good. boot_seconds: from
    the start of QEMU until the system was up, by the host's clock; guest_seconds: from the start
    of the guest's kernel, by the guest's. console: everything the guest printed.
    """

    results: tuple[CheckResult, ...]
    system_state: str
    failed_units: tuple[FailedUnit, ...]
    console: Path
    boot_seconds: float
    guest_seconds: float
    total_seconds: float
    accel: Accel
    times: str = ""
    waiting_for: str = ""
    attempts: int = 1

    @property
    def passed(self) -> bool:
        """Whether the system came up whole and every check passed."""
        return self.system_state == "running" and all(result.passed for result in self.results)
