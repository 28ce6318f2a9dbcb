"""One boot with questions: start the image, follow it, ask, and give a verdict.

The image is never changed. Nothing is needed in it but systemd (256 or newer), sh, coreutils and a
kernel with virtio. A boot that cannot succeed is given up as soon as the console, the guest or QEMU
says so, with the last lines of the console.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from dockyard.errors import DockyardError, Problem
from dockyard.host.sandbox import Tools
from dockyard.host.session import Session
from dockyard.tree.check import Check
from dockyard.vm import credentials, failure, monitor, script
from dockyard.vm.boot_log import STALLED, BootLog, Stage, find_ending
from dockyard.vm.launch import start
from dockyard.vm.qemu import Accel, Disk, Machine
from dockyard.vm.report import GuestRecord, GuestReport, RecordKind
from dockyard.vm.verdict import CheckResult, FailedUnit, Verdict

TIMEOUT_SECONDS = 300.0
_ATTEMPTS = 3
_POLL_SECONDS = 0.5
_SETTLE_SECONDS = 1.5  # what a dying guest may still print
_REPLY_SECONDS = 60.0  # that a check may take beyond its own limit, on a loaded host
_MOST_LANES = 4  # of questions that are answered at a time
_TELL_SECONDS = 10.0  # that are left to the guest to say what it waits for
_SILENT_SECONDS = 60.0  # after which it is told that nothing is heard


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a boot is: the stage, seconds since the start, and what is going on."""

    stage: Stage
    seconds: float
    detail: str = ""


def ask(
    image: Path,
    format: str,
    checks: Sequence[Check],
    tools: Tools,
    *,
    console: Path,
    machine: Machine | None = None,
    timeout: float = TIMEOUT_SECONDS,
    show_kernel: bool = False,
    power_off: bool = False,
    firmware_variables: Path | None = None,
    progress: Callable[[Progress], None] = lambda _: None,
    notice: Callable[[str], None] = lambda _: None,
) -> Verdict:
    """Boot an image and ask it.

    console: a file that receives all that the guest prints. timeout: seconds from the start until
    the system must be up, in all attempts together; one that answers and is not up shortly before
    is asked what it waits for, and checked as it is. notice: is told of a guest that stays silent.
    show_kernel: put the serial port on the kernel's command line, which then differs from
    the image's own. power_off: shut the guest down in order at the end instead of stopping it.
    firmware_variables: the store to start from, with keys for Secure Boot.
    Raises DockyardError when the guest does not come so far as to answer.
    """
    machine = machine or Machine()
    smbios = credentials.for_checks(script.HELLO, script.EMERGENCY)
    smbios += credentials.for_console(machine.serial) if show_kernel else []
    plan = _Plan(checks, timeout, show_kernel, power_off, progress, notice, console, machine.cpus)
    for attempt in range(1, _ATTEMPTS + 1):
        with (
            start(
                machine,
                Disk(image, format),
                tools,
                directory=console.parent,
                smbios=smbios,
                firmware_variables=firmware_variables,
            ) as (session, errors),
            console.open("wb") as log,
        ):
            talk = _Talk(plan, log.write, errors)
            try:
                return talk.follow(session, machine.accel, attempt)
            except DockyardError as error:
                # Under translation a processor of the guest now and then gets no timer.
                if attempt == _ATTEMPTS or error.problems[0].code != STALLED:
                    raise
                plan = replace(plan, timeout=plan.timeout - session.elapsed)
    raise AssertionError("the last attempt returns or raises")


@dataclass(frozen=True, slots=True)
class _Plan:
    """What one call of `ask` wants, for every attempt."""

    checks: Sequence[Check]
    timeout: float
    show_kernel: bool
    power_off: bool
    progress: Callable[[Progress], None]
    notice: Callable[[str], None]
    console: Path
    lanes: int


@dataclass
class _Talk:
    """The state of one boot."""

    plan: _Plan
    write_log: Callable[[bytes], object]
    errors: Path
    log: BootLog = field(default_factory=BootLog)
    report: GuestReport = field(default_factory=GuestReport)
    events: monitor.Monitor = field(default_factory=monitor.Monitor)
    results: dict[int, CheckResult] = field(default_factory=dict)
    failed: list[FailedUnit] = field(default_factory=list)
    check_errors: dict[int, str] = field(default_factory=dict)
    state: str = ""
    jobs: str = ""
    times: str = ""
    up: float = 0.0
    uptime: float = 0.0
    begun: dict[int, float] = field(default_factory=dict)
    deadline: float = 0.0
    answered: bool = False
    ended: bool = False
    detail: str = ""
    heard: float = 0.0
    silence_told: bool = False

    def follow(self, session: Session, accel: Accel, attempt: int) -> Verdict:
        session.send("monitor", monitor.GREETING)
        self.deadline = self.plan.timeout
        looked = 0.0
        gone = ""
        while not (self.ended and (not self.plan.power_off or session.status is not None)):
            came = session.wait(_POLL_SECONDS)
            self._take(session, came)
            for event in self.events.feed(came.get("monitor", b"")):
                gone = failure.fatal(event) or gone
            if self.ended:
                if session.elapsed > self.deadline:
                    raise DockyardError(self._problem(*_NO_SHUTDOWN))
                continue
            if session.elapsed - looked >= _POLL_SECONDS:
                looked = session.elapsed
                self.plan.progress(Progress(self.log.stage, looked, self.detail))
                self._tell_silence(looked)
                if not self.answered and self.log.ending():
                    self._settle(session)
                    self._give_up_by_console()
            if gone or session.status is not None:
                if self._settle(session):
                    continue
                self._give_up_by_console()
                raise DockyardError(self._gone(gone, session.status))
            if session.elapsed > self.deadline:
                raise DockyardError(self._late())
        asked = enumerate(self.plan.checks)
        return Verdict(
            results=tuple(self.results.get(place, _unanswered(check)) for place, check in asked),
            system_state=self.state,
            failed_units=tuple(self.failed),
            console=self.plan.console,
            boot_seconds=self.up,
            guest_seconds=self.uptime,
            total_seconds=session.elapsed,
            accel=accel,
            times=self.times,
            waiting_for=self.jobs,
            attempts=attempt,
        )

    def _tell_silence(self, now: float) -> None:
        """Say once that nothing is heard, long before the time is over."""
        if self.answered or self.silence_told or now - self.heard < _SILENT_SECONDS:
            return
        self.silence_told = True
        why = (
            ""
            if self.log.kernel_seen or self.plan.show_kernel
            else "; its kernel prints nothing to the serial port: --console lets it"
        )
        self.plan.notice(
            f"nothing was heard of the guest for {now - self.heard:.0f} s, in the "
            f"{self.log.stage.title} stage{why}; waiting until {self.plan.timeout:.0f} s are over"
        )

    def _take(self, session: Session, came: Mapping[str, bytes]) -> None:
        if came:
            self.heard = session.elapsed
        if printed := came.get("console"):
            self.write_log(printed)
            self.log.feed(printed)
        for record in self.report.feed(came.get("report", b"")):
            self._record(session, record)

    def _record(self, session: Session, record: GuestRecord) -> None:
        now, place = session.elapsed, int(record.id) if record.id.isdigit() else -1
        match record.kind:
            case RecordKind.HELLO:
                self.answered = True
                self.log.stage = Stage.SERVICES
                left = self.plan.timeout - now - _TELL_SECONDS
                session.send("report", self._questions(left))
                self.deadline = self.plan.timeout
            case RecordKind.EMERGENCY:
                lines = record.text.strip().splitlines()
                told = find_ending(lines, self.log.stage)
                code, what, fix = (told.code, told.what, told.fix) if told else _EMERGENCY
                raise DockyardError(self._problem(code, what, fix, tuple(lines[-25:])))
            case RecordKind.UPTIME:
                self.up, self.uptime = now, float(record.text or 0)
                self.deadline = now + _REPLY_SECONDS
            case RecordKind.JOBS:
                self.jobs = record.text.strip()
            case RecordKind.STATE:
                self.state = record.text.strip()
                self.log.stage = Stage.CHECKS
                self.deadline = now + _REPLY_SECONDS
            case RecordKind.FAILED:
                self.failed.append(FailedUnit(record.id, record.text.strip()))
            case RecordKind.TIMES:
                self.times = record.text.strip()
            case RecordKind.BEGIN if place in self.places:
                self.begun[place] = now
                self.detail = f"{len(self.begun)} of {len(self.plan.checks)}"
                self.deadline = self._due(now)
            case RecordKind.ERRORS:
                self.check_errors[place] = record.text.strip()
            case RecordKind.CHECK if place in self.places:
                self.results[place] = self._result(place, record, now)
                self.deadline = self._due(now)
            case RecordKind.END:
                self.ended = True
                self.deadline = now + 2 * _REPLY_SECONDS

    @property
    def places(self) -> range:
        return range(len(self.plan.checks))

    def _questions(self, seconds: float) -> bytes:
        plan = self.plan
        lanes = min(plan.lanes, _MOST_LANES)
        return script.questions(plan.checks, seconds, power_off=plan.power_off, lanes=lanes)

    def _due(self, now: float) -> float:
        """Until when the guest must be heard of again: so long may the begun answers take."""
        waited = (
            began + self.plan.checks[place].seconds
            for place, began in self.begun.items()
            if place not in self.results
        )
        return max((now, *waited)) + _REPLY_SECONDS

    def _result(self, place: int, record: GuestRecord, now: float) -> CheckResult:
        check, actual = self.plan.checks[place], record.text.strip()
        errors = self.check_errors.get(place, "")
        if record.status == 124:
            errors = f"{errors}\nstopped after {check.seconds} s".strip()
        began = self.begun.get(place, now)
        passed = actual == check.expect.strip() and record.status != 124
        return CheckResult(check, passed, actual, now - began, record.status, errors)

    def _settle(self, session: Session) -> bool:
        """Hear what is still said: for a moment by a guest that runs, to the end by one that does
        not. Whether that was the end of the conversation.
        """
        end = session.elapsed + _SETTLE_SECONDS
        while session.elapsed < end and session.status is None:
            self._take(session, session.wait(end - session.elapsed))
        while came := session.wait(0):
            self._take(session, came)
        return self.ended

    def _give_up_by_console(self) -> None:
        if found := self.log.ending():
            raise DockyardError(self._problem(found.code, found.what, found.fix, found.lines))

    def _gone(self, event: str, status: int | None) -> Problem:
        return failure.gone(self.log, self.plan.console, self.errors, event, status)

    def _late(self) -> Problem:
        if self.answered:
            return self._problem(*_SILENT)
        code, what, fix = _NEVER
        if not (self.log.kernel_seen or self.plan.show_kernel):
            fix = "its kernel prints nothing to the serial port: see what it does with --console"
        return self._problem(code, what.format(self.log.stage.title), fix)

    def _problem(self, code: str, what: str, fix: str, excerpt: tuple[str, ...] = ()) -> Problem:
        return failure.problem(self.log, self.plan.console, code, what, fix, excerpt)


def _unanswered(check: Check) -> CheckResult:
    return CheckResult(check, False, "", 0.0, -1, "the guest ended its answers without this one")


_NO_SHUTDOWN = ("vm.no-shutdown", "the guest answered, but did not shut down in time", failure.SEE)
_EMERGENCY = (
    "vm.emergency-mode",
    "the boot ended in emergency mode",
    "the guest's own words are above: the unit that failed, and the journal",
)
_SILENT = ("vm.silent", "the guest stopped answering", failure.SEE)
_NEVER = (
    "vm.too-slow",
    "the guest did not answer in time; it came to the {0} stage",
    "give it more time with --timeout; an image with a systemd older than 256 never answers",
)
