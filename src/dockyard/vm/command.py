"""One boot for one command: what it prints is handed on as it comes, and its status is told.

The command is a service of its own in the guest (systemd-run(1)), so that nothing that it leaves
behind outlives it. What it prints goes over two virtio ports, as it is; a word that nobody can
guess says where each of them ends.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dockyard.host.random import unguessable
from dockyard.host.sandbox import Tools
from dockyard.vm import credentials, script
from dockyard.vm.agent import Agent
from dockyard.vm.errand import Errand
from dockyard.vm.guest import Progress
from dockyard.vm.launch import CHANNELS, start
from dockyard.vm.qemu import Disk, Machine
from dockyard.vm.report import RecordKind

TIMED_OUT = 124
"""The status of a command that took too long, as timeout(1) has it."""
_STREAMS = ("output", "errors")
_TELL_SECONDS = 10.0  # that are left to the guest to say what it waits for
_DRAIN_SECONDS = 30.0  # for what was printed and has not come yet

# Processes that a command leaves behind hold its output: systemd ends them with it.
_RUN = """\
for name in output errors; do
    tries=0
    until [ -e /dev/virtio-ports/dockyard.$name ] || [ $tries = 100 ]; do
        tries=$((tries + 1)); sleep 0.1
    done
    mkfifo /run/dockyard/$name
    cat /run/dockyard/$name >/dev/virtio-ports/dockyard.$name &
done
systemd-run --quiet --collect --wait --pipe --unit=dockyard-command --service-type=exec \
    --property=TimeoutStopSec=5 --property=Type=exec {options} -- \
    /bin/sh -c '"$@"; exit $?' sh {words} \
    </dev/null >/run/dockyard/output 2>/run/dockyard/errors
status=$?
wait
for name in output errors; do
    printf %s {end} >/dev/virtio-ports/dockyard.$name
done
say status - $status ''
"""


@dataclass(frozen=True, slots=True)
class Command:
    """What is run. seconds: how long it may take. variables: of its environment."""

    words: Sequence[str]
    user: str = "root"
    directory: str = "/"
    variables: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 600.0

    def script(self, boot_seconds: float, end: str) -> bytes:
        """What the guest runs. boot_seconds: how long it waits until the system is up. end: the
        word that follows all output.
        """
        options = [f"--uid={self.user}", f"--working-directory={self.directory}"]
        options += [f"--setenv={name}={value}" for name, value in self.variables.items()]
        text = script.STATE.format(limit=max(1, int(boot_seconds))) + _RUN.format(
            options=shlex.join(options), words=shlex.join(self.words), end=end
        )
        return script.framed(text.encode(errors="surrogateescape"))


@dataclass(frozen=True, slots=True)
class Ended:
    """A command that has ended. state: of the system before, as systemctl is-system-running names
    it; failed: units that had failed. boot_seconds: until it was up; seconds: of the command.
    """

    status: int
    timed_out: bool
    state: str
    failed: tuple[str, ...]
    boot_seconds: float
    seconds: float


class Stream:
    """Bytes that are handed on until a word ends them."""

    def __init__(self, end: bytes, sink: Callable[[bytes], object]) -> None:
        self._end, self._sink, self._held = end, sink, b""
        self.ended = False

    def feed(self, data: bytes) -> None:
        """Take in what came."""
        if self.ended:
            return
        data = self._held + data
        found, marker, _ = data.partition(self._end)
        self.ended = bool(marker)
        # What may be the beginning of the word waits.
        held = 0 if marker else self._begun(found)
        self._held = found[len(found) - held :]
        if told := found[: len(found) - held]:
            self._sink(told)

    def _begun(self, data: bytes) -> int:
        most = min(len(self._end) - 1, len(data))
        return next((n for n in range(most, 0, -1) if data.endswith(self._end[:n])), 0)


def run_command(
    disk: Disk,
    tools: Tools,
    machine: Machine,
    command: Command,
    errand: Errand,
    *,
    console: Path,
    timeout: float,
    output: Callable[[bytes], object],
    errors: Callable[[bytes], object],
    progress: Callable[[Progress], None] = lambda _: None,
    begun: Callable[[], None] = lambda: None,
) -> Ended:
    """Boot an image, run one command in it when it is up, and stop it.

    errand: is done before. console: a file that receives what the guest prints. timeout: seconds to
    come up. output, errors: are handed what the command prints. begun: is called before it runs.
    Raises DockyardError when the guest does not come so far, or ends before the command.
    """
    end = unguessable()
    streams = [Stream(end.encode(), sink) for sink in (output, errors)]

    def hear(came: dict[str, bytes]) -> None:
        for name, stream in zip(_STREAMS, streams, strict=True):
            stream.feed(came.get(name, b""))

    with (
        console.open("wb") as log,
        start(
            machine,
            disk,
            tools,
            directory=console.parent,
            smbios=credentials.for_checks(script.HELLO, script.EMERGENCY),
            channels=(*CHANNELS, *_STREAMS),
        ) as (session, told),
    ):
        agent = Agent(session, told, console, log.write, errand, hear, progress)
        agent.until(RecordKind.READY, timeout)
        left = timeout - session.elapsed - _TELL_SECONDS
        agent.send(command.script(left, end))
        state, failed = agent.until_up(timeout + _TELL_SECONDS)
        up = session.elapsed
        begun()
        status = agent.status(up + command.seconds)
        seconds = session.elapsed - up
        until = session.elapsed + _DRAIN_SECONDS
        while status is not None and not all(each.ended for each in streams):
            agent.look()
            agent.require_alive(until)
    timed_out = status is None
    return Ended(TIMED_OUT if status is None else status, timed_out, state, failed, up, seconds)
