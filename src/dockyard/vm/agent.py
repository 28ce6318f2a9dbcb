"""The host's side of a boot that somebody comes into: it follows the guest, hands it what is to be
copied and shared, and hears what the guest says.

The guest's side is `errand`. Nothing blocks but `look`, and that only as long as it is told.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from dockyard.errors import DockyardError, Problem
from dockyard.host.session import Session
from dockyard.vm import failure, monitor
from dockyard.vm.boot_log import BootLog, Stage, find_ending
from dockyard.vm.errand import Errand
from dockyard.vm.guest import Progress
from dockyard.vm.report import GuestRecord, GuestReport, RecordKind
from dockyard.vm.script import framed

_POLL_SECONDS = 0.5
_SETTLE_SECONDS = 1.5  # what a dying guest may still print
_AHEAD = 1 << 20  # bytes that wait to be taken by the guest
_MOST_LINES = 25
_POWER_OFF = framed(b"systemctl poweroff --no-block\n")
_POWER_OFF_SECONDS = 120.0

_LATE = (
    "vm.too-slow",
    "the guest was not ready in time; it came to the {0} stage",
    "give it more time with --timeout; an image with a systemd older than 256 never answers",
)


@dataclass
class Agent:
    """One guest. errors: the file of QEMU's own messages. console: the file that write_log fills.
    errand: what the guest is to do first. others: hears what comes by other channels. progress:
    hears how far the boot is.
    """

    session: Session
    errors: Path
    console: Path
    write_log: Callable[[bytes], object]
    errand: Errand
    others: Callable[[dict[str, bytes]], None] = lambda _: None
    progress: Callable[[Progress], None] = lambda _: None
    log: BootLog = field(default_factory=BootLog)
    _heard: deque[GuestRecord] = field(default_factory=deque)
    _report: GuestReport = field(default_factory=GuestReport)
    _events: monitor.Monitor = field(default_factory=monitor.Monitor)
    _stream: Iterator[bytes] | None = None
    _gone: str = ""
    _greeted: bool = False
    _answered: bool = False

    def look(self, seconds: float = _POLL_SECONDS) -> None:
        """Wait a moment, and take in what came. Raises DockyardError where the guest says that
        something could not be done.
        """
        if not self._greeted:
            self._greeted = True
            self.session.send("monitor", monitor.GREETING)
        came = self.session.wait(seconds)
        if printed := came.get("console"):
            self.write_log(printed)
            self.log.feed(printed)
        for event in self._events.feed(came.get("monitor", b"")):
            self._gone = failure.fatal(event) or self._gone
        self.others(came)
        for record in self._report.feed(came.get("report", b"")):
            self._take(record)
            self._heard.append(record)
        self._feed()

    def require_alive(self, deadline: float) -> None:
        """Raise DockyardError where the guest cannot come up any more, or the time is over.
        deadline: seconds since the start.
        """
        session = self.session
        if not self._answered and (found := self.log.ending()):
            self._settle()
            found = self.log.ending() or found
            raise DockyardError(self._problem(found.code, found.what, found.fix, found.lines))
        if self._gone or session.status is not None:
            self._settle()
            if not self._answered and (found := self.log.ending()):
                raise DockyardError(self._problem(found.code, found.what, found.fix, found.lines))
            raise DockyardError(
                failure.gone(self.log, self.console, self.errors, self._gone, session.status)
            )
        if session.elapsed > deadline:
            code, what, fix = _LATE
            if not self.log.kernel_seen:
                fix = (
                    "its kernel prints nothing to the serial port: see what it does with --console"
                )
            raise DockyardError(self._problem(code, what.format(self.log.stage.title), fix))

    def until(self, kind: RecordKind, deadline: float) -> GuestRecord:
        """Wait for a record of a kind. Raises DockyardError, as `require_alive`."""
        while True:
            for record in self._records():
                if record.kind is kind:
                    return record
            self.progress(Progress(self.log.stage, self.session.elapsed))
            self.require_alive(deadline)

    def until_up(self, deadline: float) -> tuple[str, tuple[str, ...]]:
        """Wait for the guest's word on how it came up: its state, and the units that failed."""
        state, failed = "", []
        while True:
            for record in self._records():
                if record.kind is RecordKind.STATE:
                    state = record.text.strip()
                elif record.kind is RecordKind.FAILED:
                    failed.append(record.id)
                elif record.kind is RecordKind.TIMES:
                    return state, tuple(failed)
            self.progress(Progress(self.log.stage, self.session.elapsed))
            self.require_alive(deadline)

    def status(self, deadline: float) -> int | None:
        """Wait for the end of what runs in the guest: its status; None when the time is over."""
        while self.session.elapsed < deadline:
            if (status := self.ended_with()) is not None:
                return status
            self.require_alive(float("inf"))
        return None

    def ended_with(self) -> int | None:
        """Wait a moment: the status of what runs in the guest, where that has ended."""
        for record in self._records():
            if record.kind is RecordKind.STATUS:
                return record.status
        return None

    def _records(self) -> Iterator[GuestRecord]:
        """What was heard and nobody has looked at yet; where that is nothing, waits a moment."""
        if not self._heard:
            self.look()
        while self._heard:
            yield self._heard.popleft()

    def send(self, script: bytes) -> None:
        """Have the guest run a script, after its errand."""
        self.session.send("report", script)

    def power_off(self) -> None:
        """Shut the guest down in order, so that its disk has all that it wrote; one that takes too
        long is stopped.
        """
        self.send(_POWER_OFF)
        until = self.session.elapsed + _POWER_OFF_SECONDS
        while not self.is_over and self.session.elapsed < until:
            self.look()

    @property
    def is_over(self) -> bool:
        """Whether the guest has ended."""
        return bool(self._gone) or self.session.status is not None

    def _take(self, record: GuestRecord) -> None:
        match record.kind:
            case RecordKind.HELLO:
                self._answered = True
                self.log.stage = Stage.SERVICES
                self._stream = self.errand.stream()
            case RecordKind.EMERGENCY:
                lines = record.text.strip().splitlines()
                told = find_ending(lines, self.log.stage)
                code = told.code if told else "vm.emergency-mode"
                what = told.what if told else "the boot ended in emergency mode"
                fix = told.fix if told else "the guest's own words are above"
                raise DockyardError(self._problem(code, what, fix, tuple(lines[-_MOST_LINES:])))
            case RecordKind.TROUBLE:
                path, _, why = record.text.strip().partition(": ")
                what = "the guest could not take what is to be copied into it or shared with it"
                fix = "choose another path in the guest, such as one below /run"
                raise DockyardError(Problem("vm.not-taken", what, path, why, fix))
            case _:
                pass

    def _feed(self) -> None:
        """Send on what the guest has room for."""
        while self._stream is not None and self.session.unsent("report") < _AHEAD:
            piece = next(self._stream, None)
            if piece is None:
                self._stream = None
                return
            self.session.send("report", piece)

    def _settle(self) -> None:
        """Hear what is still said: for a moment by a guest that runs, to the end by one that does
        not.
        """
        end = self.session.elapsed + _SETTLE_SECONDS
        while self.session.elapsed < end and self.session.status is None:
            self.look(end - self.session.elapsed)
        while came := self.session.wait(0):
            if printed := came.get("console"):
                self.write_log(printed)
                self.log.feed(printed)

    def _problem(self, code: str, what: str, fix: str, excerpt: tuple[str, ...] = ()) -> Problem:
        return failure.problem(self.log, self.console, code, what, fix, excerpt)
