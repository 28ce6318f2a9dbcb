"""One boot with a person, or a program, who logs in over SSH.

The guest gets a key by credential, for one user and this boot; a port of this host's loopback
address leads to its SSH server. When the session ends, so does the guest.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from dockyard.errors import DockyardError, Problem
from dockyard.host import process
from dockyard.host.loopback import ADDRESS, answers_ssh, free_port
from dockyard.host.sandbox import Tools
from dockyard.host.session import Session
from dockyard.host.ssh_key import make_key
from dockyard.vm import credentials
from dockyard.vm.boot_log import BootLog
from dockyard.vm.launch import start
from dockyard.vm.qemu import Disk, Forward, Machine

_POLL_SECONDS = 0.5
_SSH_PORT = 22
# The guest's host key is new, and the way to it leads through this machine alone.
_OPTIONS = (
    *("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"),
    *("-o", "LogLevel=ERROR", "-o", "IdentitiesOnly=yes"),
)


@dataclass(frozen=True, slots=True)
class Login:
    """Who logs in. key: a private key with its public one beside it (`.pub`); None for a key of
    this boot alone. words: a command to run instead of a shell.
    """

    user: str = "root"
    key: Path | None = None
    words: Sequence[str] = ()


def log_in(
    disk: Disk,
    tools: Tools,
    machine: Machine,
    login: Login,
    *,
    console: Path,
    timeout: float,
    ready: Callable[[str], None] = lambda _: None,
) -> int:
    """Boot an image, log in, and give ssh's exit status. The guest ends with the session.

    console: a file that receives what the guest prints. timeout: seconds until the SSH server
    answers. ready: is told the command by which others may log in meanwhile.
    Raises DockyardError when the guest or its SSH server does not come up.
    """
    port = free_port()
    machine = replace(machine, forwards=(*machine.forwards, Forward(port, _SSH_PORT)))
    with (
        TemporaryDirectory(prefix="dockyard-key-") as name,
        _key(login, Path(name)) as (key, public),
        console.open("wb") as log,
        start(
            machine,
            disk,
            tools,
            directory=console.parent,
            smbios=credentials.for_login(login.user, public),
        ) as (session, errors),
    ):
        talk = _Waiting(session, log.write, errors, console)
        talk.until_ssh_answers(port, timeout)
        argv = ["ssh", *_OPTIONS, "-i", str(key), "-p", str(port), f"{login.user}@{ADDRESS}"]
        ready(shlex.join(argv))
        return talk.while_ssh_runs([*argv, *login.words])


@contextmanager
def _key(login: Login, directory: Path) -> Iterator[tuple[Path, str]]:
    if login.key is None:
        yield make_key(directory)
        return
    public = login.key.with_name(f"{login.key.name}.pub")
    try:
        text = public.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise DockyardError(
            Problem(
                "vm.no-public-key",
                f"the public key {public} cannot be read",
                fix=f"make it with: ssh-keygen -y -f {login.key} > {public}",
            )
        ) from error
    yield login.key, text


@dataclass
class _Waiting:
    """A guest that is watched while something else goes on."""

    session: Session
    write_log: Callable[[bytes], object]
    errors: Path
    console: Path

    def until_ssh_answers(self, port: int, timeout: float) -> None:
        log = BootLog()
        while not answers_ssh(port, _POLL_SECONDS):
            printed = self._watch()
            log.feed(printed)
            found = log.ending()
            if found or self.session.status is not None or self.session.elapsed > timeout:
                told = self.errors.read_text(errors="replace").strip().splitlines()
                raise DockyardError(
                    Problem(
                        found.code if found else "vm.no-ssh",
                        found.what if found else "the guest's SSH server did not answer",
                        f"{log.stage.title} stage of the boot",
                        why=told[0] if told else "",
                        fix=found.fix
                        if found
                        else "the image needs openssh-server, enabled (sshd), and a network set up "
                        f"by DHCP; what the guest printed is in {self.console}",
                        excerpt=found.lines if found else log.tail(),
                    )
                )

    def while_ssh_runs(self, argv: Sequence[str]) -> int:
        running = process.start(
            argv, stdin=sys.stdin.fileno(), stdout=sys.stdout.fileno(), stderr=sys.stderr.fileno()
        )
        try:
            while (status := running.poll()) is None:
                self._watch()
                if self.session.status is not None:
                    running.terminate()
            return status
        finally:
            if running.poll() is None:
                running.kill()
            running.wait()

    def _watch(self) -> bytes:
        printed = self.session.wait(_POLL_SECONDS).get("console", b"")
        self.write_log(printed)
        return printed
